"""The status page in a real browser, against real nodes: what a person reads.

CONVOY_BINARY             the built `convoy`; without it everything is skipped
CHROMIUM, CHROMEDRIVER    where they are, if not on the PATH
"""

import re

import pytest
import requests
from selenium.webdriver.common.by import By

from pages import (AGE, CONTRAST, PHONE, WIDE, console_errors, node_row, open_page, press, read, sentence, set_size, shoot,
                   text_of, until, until_sentence)
from running_node import BINARY, RunningNode
from stub import PUBLIC

pytestmark = pytest.mark.skipif(BINARY is None, reason="CONVOY_BINARY is not set")


@pytest.fixture(scope="module")
def node():
    with RunningNode("n1") as running:
        yield running


@pytest.fixture
def page(browser, node):
    return open_page(browser, node)


def namespace_rows(browser):
    return read(browser, """Object.fromEntries([...document.querySelectorAll("#namespaces tr")].map(row =>
        [row.querySelector(".label").textContent, row.querySelector(".keys").textContent]))""")


def test_the_sentence_says_that_all_is_well(page):
    until_sentence(page, r"^All is well: n1 accepts writes\. .* is on this one node only")
    spoken = 'document.getElementById("spoken").textContent'
    until(lambda: read(page, f'{spoken} === document.getElementById("sentence").textContent'), lambda: (read(page, spoken), sentence(page)))
    until(lambda: page.title.startswith("✓ n1"), lambda: page.title)


def test_the_node_is_shown_with_role_state_and_position(page, node):
    row = until(lambda: (row := node_row(page, "n1")) and "serving" in row["State"] and row, lambda: text_of(page, "#nodes"))
    assert node.url in row["Node"]
    assert row["Role"] == "primary"
    assert "✓" in row["State"]
    assert re.fullmatch(r"[0-9,]+", row["Position"])
    assert row["Observed"] == "at first hand"


def test_counts_of_a_namespace_follow_the_writes(page, node):
    created = requests.post(f"{node.url}/v1/namespaces", json={"name": "a-tenant"}, timeout=60)
    assert created.status_code == 201, created.text
    until(lambda: namespace_rows(page).get("a-tenant") == "0", lambda: namespace_rows(page))
    for number in range(3):
        answer = requests.put(f"{node.url}/v1/namespaces/a-tenant/keys/{number}", data=b"x" * 100, timeout=60)
        assert answer.status_code == 201, answer.text
    until(lambda: namespace_rows(page).get("a-tenant") == "3", lambda: namespace_rows(page))
    answer = requests.delete(f"{node.url}/v1/namespaces/a-tenant", timeout=60)
    assert answer.status_code == 200, answer.text
    until(lambda: "a-tenant" not in namespace_rows(page), lambda: namespace_rows(page))
    assert "default" in namespace_rows(page)


def test_more_namespaces_than_a_page_holds_are_one_click_away(page, node):
    names = [f"many-{number:03}" for number in range(120)]
    created = requests.post(
        f"{node.url}/v1/namespaces/batch", json={"create": [{"name": name} for name in names]}, timeout=60)
    assert created.status_code == 201, created.text
    until(lambda: len(namespace_rows(page)) == 25, lambda: len(namespace_rows(page)))
    assert "1 to 25 of" in page.find_element(By.ID, "pages-note").text
    press(page, "#next-page")
    until(lambda: "many-030" in namespace_rows(page), lambda: list(namespace_rows(page)))
    assert "default" not in namespace_rows(page)
    press(page, "#first-page")
    until(lambda: "default" in namespace_rows(page), lambda: list(namespace_rows(page)))
    page.find_element(By.ID, "prefix").send_keys("many-11")
    until(lambda: list(namespace_rows(page)) == names[110:], lambda: list(namespace_rows(page)))


def test_the_page_asks_nobody_else_and_complains_of_nothing(page, node):
    # Until what is asked least often was asked again.
    times = 'performance.getEntriesByType("resource").filter(entry => entry.name.endsWith("/nodes/self")).length'
    until(lambda: read(page, times) >= 2, lambda: read(page, times))
    assert console_errors(page) == []
    asked = read(page, 'performance.getEntriesByType("resource").map(entry => entry.name)')
    assert asked and all(address.startswith((node.url + "/", "data:")) for address in asked)
    policy = requests.get(node.url + "/", timeout=60).headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_without_scrolling_sideways(browser, node, scheme):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        open_page(browser, node, PHONE)
        assert read(browser, "document.documentElement.scrollWidth") == PHONE[0]
        assert browser.execute_script(CONTRAST)[0] >= 4.5
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        set_size(browser, WIDE)


def test_the_sentence_counts_a_replica_and_says_when_it_is_gone(page, node):
    with RunningNode("n2") as replica:
        node.add(replica)
        until_sentence(page, r"^All is well: n1 accepts writes and 1 of 1 replica is in sync\.")
        until(lambda: "streaming" in (node_row(page, "n2") or {}).get("State", ""), lambda: node_row(page, "n2"))
        replica.kill()
        until_sentence(page, r"n2 .*(has not been heard|cannot follow|no progress)|n1 has heard no replica")
        until(lambda: (node_row(page, "n2") or {}).get("Position") == "–", lambda: node_row(page, "n2"))
        removed = requests.delete(f"{node.url}/v1/nodes/n2", timeout=60)
        assert removed.status_code == 200, removed.text
    until_sentence(page, r"^All is well: n1 accepts writes\.")
    assert node_row(page, "n2") is None


def test_the_page_says_at_once_that_the_server_is_gone_and_recovers(page, node):
    until_sentence(page, r"^All is well")
    node.kill()
    until_sentence(page, rf"^Lost contact with n1 {AGE} ago: check that it runs; .* What you see below is old\.$")
    assert "old" in page.find_element(By.ID, "data").get_attribute("class").split()
    assert page.title.startswith("✕")
    assert text_of(page, "#fact-writable") == text_of(page, "#fact-exposure") == "not known now"
    shoot(page, "server-gone")
    node.start()
    until_sentence(page, r"^All is well: n1 accepts writes")
    until(lambda: "old" not in page.find_element(By.ID, "data").get_attribute("class").split(), lambda: sentence(page))


def test_the_page_is_small_and_has_no_way_to_make_markup_of_data():
    files = list(PUBLIC.iterdir())
    assert sum(file.stat().st_size for file in files) < 150_000
    for file in files:
        text = file.read_text()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick", "http:" + "//www"):
            assert word not in text.replace('xmlns="http:' + "//www.w3.org", "").replace('"http:' + "//www.w3.org/2000/svg", ""), (
                file.name, word)
