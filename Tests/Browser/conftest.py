import sys
from pathlib import Path

import pytest

# The running node is the same as in the contract's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "Contract"))

from pages import start_browser  # noqa: E402


@pytest.fixture(scope="session")
def browser():
    driver = start_browser()
    yield driver
    driver.quit()
