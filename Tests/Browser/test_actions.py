"""What can be done from the page: the plan first, the name typed, the command to copy. CONVOY_BINARY as in test_page.py."""

import re

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import (
    console_errors, node_row, open_page, press, read, shoot, text_of, until, until_planned, until_sentence)
from running_node import BINARY, RunningNode

pytestmark = pytest.mark.skipif(BINARY is None, reason="CONVOY_BINARY is not set")


@pytest.fixture(scope="module")
def nodes():
    with RunningNode("n1") as n1, RunningNode("n2") as n2:
        yield n1, n2


@pytest.fixture
def page(browser, nodes):
    open_page(browser, nodes[0])
    until(lambda: browser.find_element(By.ID, "add-node").is_displayed(), lambda: text_of(browser, "main"))
    return browser


def choose(page, node, action):
    until(lambda: page.find_elements(By.CSS_SELECTOR, f"#node-{node} button"), lambda: text_of(page, "#nodes"))
    press(page, f"#node-{node} button")
    page.find_element(By.XPATH, f"//*[@id='action-fields']//button[text()='{action}']").click()


def go(page):
    return page.find_element(By.ID, "action-go")


def plan(page):
    return text_of(page, "#plan")


def until_done(page, words="✓"):
    until(lambda: words in text_of(page, "#action-result"), lambda: text_of(page, "#action"))
    page.find_element(By.ID, "action-close").click()


def succeed(page, begin):
    """What `begin` opens is sent. Where it is given up, for a node was silent too long, it is begun anew, as a person would."""
    seen = []

    def has_succeeded():
        begin()
        go(page).click()
        ended = until(lambda: re.search("✓ Succeeded after |✕.*|! Not sent.*", text_of(page, "#action-result")),
                      lambda: text_of(page, "#action"))[0]
        page.find_element(By.ID, "action-close").click()
        seen.append(ended)
        return ended.startswith("✓")
    until(has_succeeded, lambda: seen)


def test_a_node_is_added_after_its_plan_was_seen(page, nodes):
    def begin():
        press(page, "#add-node")
        assert not go(page).is_enabled()
        page.find_element(By.ID, "field-address").send_keys(nodes[1].url)
        until_planned(page, "it has no state of this cluster")
        assert "it follows n1" in plan(page) and "Risks" in plan(page)
        command = text_of(page, "#action-curl")
        assert f"curl -X POST '{nodes[0].url}/v1/nodes'" in command and nodes[1].url in command
        assert "Authorization" not in command, "the node is open"
        shoot(page, "plan")
    succeed(page, begin)
    until_sentence(page, r"^All is well: n1 accepts writes and 1 of 1 replica is in sync\.")


def test_a_wrong_address_is_refused_in_words_before_anything_is_done(page):
    press(page, "#add-node")
    page.find_element(By.ID, "field-address").send_keys("not an address")
    until(lambda: "✕" in plan(page), lambda: plan(page))
    assert "http" in plan(page) and not go(page).is_enabled()
    page.find_element(By.ID, "field-address").send_keys(Keys.ESCAPE)
    until(lambda: not page.find_element(By.ID, "action").is_displayed(), lambda: text_of(page, "#action"))
    assert read(page, "document.activeElement.id") == "add-node"


def test_a_destructive_change_wants_the_name(page, nodes):
    requests.put(f"{nodes[0].url}/v1/namespaces/default/keys/a", data=b"x", timeout=60)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#namespaces button"), lambda: text_of(page, "#namespaces"))
    until(lambda: text_of(page, "#namespaces .keys") == "1", lambda: text_of(page, "#namespaces"))
    press(page, "#namespaces button")
    until(lambda: "keys 1, data 2 B" in plan(page), lambda: plan(page))
    assert not go(page).is_enabled()
    page.find_element(By.ID, "action-name").send_keys("defaul")
    assert not go(page).is_enabled()
    page.find_element(By.ID, "action-name").send_keys("t")
    go(page).click()
    until_done(page)
    until(lambda: text_of(page, "#namespaces .keys") == "0", lambda: text_of(page, "#namespaces"))


def test_a_switchover_moves_the_primary_and_the_page_sends_on_to_it(browser, page, nodes):
    def begin(to):
        choose(page, to, "Switch over…")
        until_planned(page, "writes wait while the primary moves")
    until_sentence(page, r"1 of 1 replica is in sync")
    succeed(page, lambda: begin("n2"))
    until_sentence(page, r"^All is well: n2 accepts writes and 1 of 1 replica")
    # What only the primary does is shown where it is done.
    choose(page, "n1", "Resync…")
    until(lambda: "This is sent to n2" in plan(page), lambda: plan(page))
    assert page.find_element(By.CSS_SELECTOR, "#plan a").get_attribute("href") == f"{nodes[1].url}/#do=resync&node=n1"
    assert not go(page).is_displayed()
    assert nodes[1].url in text_of(page, "#action-curl")
    # From there a failover is refused by its plan, while the primary is well.
    open_page(browser, nodes[1])
    succeed(page, lambda: begin("n1"))
    until_sentence(page, r"^All is well: n1 accepts writes")


def test_a_node_is_removed(page, nodes):
    until_sentence(page, r"^All is well: n1 accepts writes and 1 of 1 replica is in sync")
    choose(page, "n2", "Remove…")
    until(lambda: "the primary has the only copy" in plan(page), lambda: plan(page))
    page.find_element(By.ID, "action-name").send_keys("n2")
    go(page).click()
    until_done(page)
    until(lambda: node_row(page, "n2") is None, lambda: text_of(page, "#nodes"))
    until_sentence(page, r"^All is well: n1 accepts writes\. It has no replica")
    assert console_errors(page) == []
