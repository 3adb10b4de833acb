import sys
from pathlib import Path

# The running node is the same as in the contract's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "Contract"))
