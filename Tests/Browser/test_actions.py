"""What can be done from the page: the plan first, the name typed, the command to copy. CONVOY_BINARY as in test_page.py."""

import pytest
import requests
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import (console_errors, node_row, open_page, read, shoot, text_of, until, until_sentence)
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
    page.find_element(By.CSS_SELECTOR, f"#node-{node} button").click()
    page.find_element(By.XPATH, f"//*[@id='action-fields']//button[text()='{action}']").click()


def go(page):
    return page.find_element(By.ID, "action-go")


def plan(page):
    return text_of(page, "#plan")


def until_done(page, words="✓"):
    until(lambda: words in text_of(page, "#action-result"), lambda: text_of(page, "#action"))
    page.find_element(By.ID, "action-close").click()


def test_a_node_is_added_after_its_plan_was_seen(page, nodes):
    page.find_element(By.ID, "add-node").click()
    assert not go(page).is_enabled()
    page.find_element(By.ID, "field-address").send_keys(nodes[1].url)
    until(lambda: "it has no state of this cluster" in plan(page), lambda: plan(page))
    assert "it follows n1" in plan(page) and "Risks" in plan(page)
    command = text_of(page, "#action-curl")
    assert f"curl -X POST '{nodes[0].url}/v1/nodes'" in command and nodes[1].url in command
    assert "Authorization" not in command, "the node is open"
    shoot(page, "plan")
    go(page).click()
    until_done(page, "✓ Succeeded after ")
    until_sentence(page, r"^All is well: n1 accepts writes and 1 of 1 replica is in sync\.", 20)


def test_a_wrong_address_is_refused_in_words_before_anything_is_done(page):
    page.find_element(By.ID, "add-node").click()
    page.find_element(By.ID, "field-address").send_keys("not an address")
    until(lambda: "✕" in plan(page), lambda: plan(page))
    assert "http" in plan(page) and not go(page).is_enabled()
    page.find_element(By.ID, "field-address").send_keys(Keys.ESCAPE)
    until(lambda: not page.find_element(By.ID, "action").is_displayed(), lambda: text_of(page, "#action"))
    assert read(page, "document.activeElement.id") == "add-node"


def test_a_destructive_change_wants_the_name(page, nodes):
    requests.put(f"{nodes[0].url}/v1/namespaces/default/keys/a", data=b"x", timeout=5)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#namespaces button"), lambda: text_of(page, "#namespaces"))
    until(lambda: text_of(page, "#namespaces .keys") == "1", lambda: text_of(page, "#namespaces"))
    page.find_element(By.CSS_SELECTOR, "#namespaces button").click()
    until(lambda: "keys 1, data 2 B" in plan(page), lambda: plan(page))
    assert not go(page).is_enabled()
    page.find_element(By.ID, "action-name").send_keys("defaul")
    assert not go(page).is_enabled()
    page.find_element(By.ID, "action-name").send_keys("t")
    go(page).click()
    until_done(page)
    until(lambda: text_of(page, "#namespaces .keys") == "0", lambda: text_of(page, "#namespaces"))


def test_a_switchover_moves_the_primary_and_the_page_sends_on_to_it(browser, page, nodes):
    until_sentence(page, r"1 of 1 replica is in sync", 20)
    choose(page, "n2", "Switch over…")
    until(lambda: "writes wait while the primary moves" in plan(page), lambda: plan(page))
    go(page).click()
    until_done(page)
    until_sentence(page, r"^All is well: n2 accepts writes and 1 of 1 replica", 20)
    # What only the primary does is shown where it is done.
    choose(page, "n1", "Resync…")
    until(lambda: "This is sent to n2" in plan(page), lambda: plan(page))
    assert page.find_element(By.CSS_SELECTOR, "#plan a").get_attribute("href") == f"{nodes[1].url}/#do=resync&node=n1"
    assert not go(page).is_displayed()
    assert nodes[1].url in text_of(page, "#action-curl")
    # From there a failover is refused by its plan, while the primary is well.
    open_page(browser, nodes[1])
    choose(page, "n1", "Switch over…")
    until(lambda: go(page).is_enabled(), lambda: plan(page))
    go(page).click()
    until_done(page)
    until_sentence(page, r"^All is well: n1 accepts writes", 20)


def test_a_node_is_removed(page, nodes):
    until_sentence(page, r"1 of 1 replica is in sync", 20)
    choose(page, "n2", "Remove…")
    until(lambda: "the primary has the only copy" in plan(page), lambda: plan(page))
    page.find_element(By.ID, "action-name").send_keys("n2")
    go(page).click()
    until_done(page)
    until(lambda: node_row(page, "n2") is None, lambda: text_of(page, "#nodes"))
    until_sentence(page, r"^All is well: n1 accepts writes\. It has no replica")
    assert console_errors(page) == []
