"""The page against a real cluster in each state it can be in: what a person reads. CONVOY_BINARY as in test_page.py.

The tests go through one cluster's life in order; each leaves it healthy.
"""

import html
import random
import re
import signal

import pytest
import requests
from selenium.webdriver.common.by import By

from pages import (AGE, console_errors, node_row, open_page, press, read, sentence, shoot, text_of, tree, until,
                   until_planned, until_sentence)
from running_node import BINARY, RunningNode

pytestmark = pytest.mark.skipif(BINARY is None, reason="CONVOY_BINARY is not set")

WELL = r"^All is well: n1 accepts writes and 2 of 2 replicas are in sync\.$"
# Where all is well, n1 is named, too.
TROUBLE_WITH_N1 = r"^(?!All is well).*\bn1\b"
VALUES, VALUE_BYTES = 24, 100_000
# All of them take a minute and a half: a full sync is still under way, however slowly it is looked at.
SLOWLY = VALUES * VALUE_BYTES // 90


@pytest.fixture(scope="module")
def cluster():
    """n1 with n2 and n3 as its replicas."""
    with RunningNode("n1") as n1, RunningNode("n2") as n2, RunningNode("n3") as n3:
        for number in range(VALUES):
            # At random, so that it does not become small on the way.
            body = random.Random(number).randbytes(VALUE_BYTES)
            put = requests.put(f"{n1.url}/v1/namespaces/default/keys/{number}", data=body, timeout=60)
            assert put.status_code == 201, put.text
        # n1 tells that it has begun only if it looks at n2 before it has ended.
        limit_full_sync(n2, SLOWLY)
        n1.add(n2)
        until(lambda: "n2 begins a full sync" in events(n1), lambda: events(n1))
        limit_full_sync(n2, None)
        n1.add(n3)
        wait_until_in_sync(n1)
        yield n1, n2, n3


def events(node):
    return requests.get(f"{node.url}/v1/events?page_size=1000", timeout=60).text


def limit_full_sync(node, bytes_per_second):
    post(node, "/v1/nodes/self", {"full_sync_max_bytes_per_second": bytes_per_second}, 200, "PATCH")


def post(node, path, body=None, status=200, method="POST"):
    answer = requests.request(method, node.url + path, json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json()


def wait_until_in_sync(node, replicas=2):
    answer = requests.get(f"{node.url}/v1/sync?wait=in_sync:{replicas}&wait=converged&timeout=120s", timeout=180)
    assert answer.status_code == 200, answer.text


def first_view(node):
    """The sentence and the nodes' names as the server renders them, without a script."""
    text = requests.get(node.url + "/", timeout=60).text
    found = re.search(r'<h1 id="sentence">(.*?)</h1>', text, re.S).group(1)
    names = re.findall(r'<span class="name">(.*?)</span>', text)
    return html.unescape(found), [html.unescape(name) for name in names]


def without_figures(text):
    """Time goes on between two looks."""
    return re.sub(r"[0-9][0-9,.]*( ?%| ?m?s| min| h)?( [0-9]+ s)?", "#", text)


def assert_first_view_agrees(page, node):
    until(lambda: without_figures(first_view(node)[0]) == without_figures(sentence(page)),
          lambda: (first_view(node)[0], sentence(page)))


def until_fact(page, name, pattern):
    until(lambda: re.fullmatch(pattern, text_of(page, f"#fact-{name}")), lambda: text_of(page, "#facts"))


def test_healthy(browser, cluster):
    n1, n2, n3 = cluster
    page = open_page(browser, n1)
    until_sentence(page, WELL)
    assert_first_view_agrees(page, n1)
    assert first_view(n1)[1] == ["n1", "n2", "n3"]
    until(lambda: tree(page, "running").get("n3", "").startswith("✓ n3 streaming · "), lambda: tree(page, "running"))
    until(lambda: tree(page, "configured")["n3"] == "n3 replica of n1", lambda: tree(page, "configured"))
    until(lambda: "differs" not in str(tree(page, "running")), lambda: tree(page, "running"))
    until_fact(page, "writable", "yes, on n1")
    until_fact(page, "in-sync", "2 of 2")
    until_fact(page, "digest", "3 of 3 nodes, as of entry [0-9]+")
    until_fact(page, "topology", "generation 3, term 1")
    until_fact(page, "exposure", ".* would take over")
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#plots svg"), lambda: text_of(page, "#plots"))
    until(lambda: "add-node n3" in text_of(page, "#operations"), lambda: text_of(page, "#operations"))
    shoot(page, "healthy")
    # What is plotted, each node tells of itself.
    own = requests.get(f"{n1.url}/v1/nodes/n1/measurements", timeout=60).json()
    assert own["node"] == "n1" and len(own["measured_at"]) == len(own["log_bytes"]) >= 1
    other = requests.get(f"{n1.url}/v1/nodes/n2/measurements", timeout=60)
    assert other.status_code == 409 and other.json()["code"] == "not-this-node"
    assert requests.get(f"{n1.url}/v1/nodes/nobody/measurements", timeout=60).status_code == 404
    assert console_errors(page) == []
    # Any node shows the whole, and says what it has from others.
    page = open_page(browser, n3)
    until_sentence(page, WELL)
    assert node_row(page, "n3")["Observed"] == "at first hand"
    assert node_row(page, "n1")["Observed"] != "at first hand"
    until_fact(page, "sources", "n3; 2 of 2 from their answers")


def read_width(browser, selector):
    """Also without a script."""
    return browser.find_element(By.CSS_SELECTOR, selector).size["width"]


def test_it_reads_without_a_script_and_the_script_moves_nothing(browser, cluster):
    n1 = cluster[0]
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        def is_well():
            browser.get(n1.url + "/")
            return re.search(WELL, sentence(browser))
        until(is_well, lambda: sentence(browser))
        text = browser.find_element(By.ID, "data").text
        for words in ("yes, on n1", "2 of 2", "n2", "streaming", n1.url, "default", "2.4 MB"):
            assert words in text, text
        assert "Without JavaScript" in browser.find_element(By.TAG_NAME, "noscript").text
        # Nothing that only a script fills stands there empty.
        assert read_width(browser, "#sentence") > 600
        assert re.search(r"as of [0-9:]{8} UTC", browser.find_element(By.ID, "updated").text)
        assert "n1; 2 of 2 from their answers" in text and "none" in browser.find_element(By.CSS_SELECTOR, "#namespaces .quota").text
        for gone in ("plots", "lately", "search", "pages", "configured"):
            assert not browser.find_element(By.ID, gone).is_displayed(), gone
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
    page = open_page(browser, n1)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#plots svg"), lambda: text_of(page, "#plots"))
    shift = page.execute_async_script("""
        const done = arguments[0];
        new PerformanceObserver(list => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))
            .observe({type: "layout-shift", buffered: true});
        setTimeout(() => done(0), 300);
    """)
    # By Google's measure 0.1 is good.
    assert shift < 0.1


def test_what_changed_lately(browser, cluster):
    page = open_page(browser, cluster[0])
    press(page, "#tab-topology")
    until(lambda: "+ n3, follows n1" in text_of(page, "#topology"), lambda: text_of(page, "#topology"))
    shoot(page, "topology")
    press(page, "#tab-events")
    until(lambda: "n1 has started." in text_of(page, "#events"), lambda: text_of(page, "#events"))
    page.find_element(By.ID, "event-text").send_keys("full sync")
    until(lambda: "n1 has started." not in text_of(page, "#events"), lambda: text_of(page, "#events"))
    assert "n2 begins a full sync from n1" in text_of(page, "#events")
    # What happens now is there without asking.
    page.find_element(By.ID, "event-text").clear()
    page.find_element(By.ID, "event-text").send_keys("just-now")
    post(cluster[0], "/v1/namespaces", {"name": "just-now"}, 201)
    until(lambda: "just-now" in text_of(page, "#event-list"), lambda: text_of(page, "#events"))
    shoot(page, "events")
    press(page, "#tab-audit")
    until(lambda: "namespace.create" in text_of(page, "#audit"), lambda: text_of(page, "#audit"))
    post(cluster[0], "/v1/namespaces/just-now", None, 200, "DELETE")
    assert console_errors(page) == []


def test_a_tenant_in_trouble(browser, cluster):
    n1 = cluster[0]
    post(n1, "/v1/namespaces", {"name": "shop", "quota_keys": 2}, 201)
    requests.put(f"{n1.url}/v1/namespaces/shop/keys/a", data=b"x", timeout=60)
    requests.put(f"{n1.url}/v1/namespaces/shop/keys/b", data=b"x", timeout=60)
    post(n1, "/v1/namespaces/shop", {"read_only": True}, 200, "PATCH")
    page = open_page(browser, n1)
    until_sentence(page, rf"^shop has been full for {AGE} \(2 of 2 keys\): it refuses writes that need more, until")
    assert_first_view_agrees(page, n1)
    until(lambda: "read-only, full" in text_of(page, "#trouble"), lambda: text_of(page, "#trouble"))
    # As each node has it itself.
    until(lambda: text_of(page, "#trouble-rows tr").count("✓ 2 keys") == 3, lambda: text_of(page, "#trouble"))
    assert "100 %" in text_of(page, "#namespaces")
    shoot(page, "read-only-tenant")
    until(lambda: text_of(page, "#next-link") == "Show shop ↓", lambda: text_of(page, "#verdict"))
    press(page, "#next-link")
    until(lambda: text_of(page, "#pages-note") == "1 to 1 of 1", lambda: text_of(page, "#pages"))
    assert "shop" in text_of(page, "#namespaces") and "default" not in text_of(page, "#namespaces")
    # What it refuses while it is read-only, is said before anything is done.
    press(page, "#namespaces button")
    until(lambda: "read only" in text_of(page, "#plan"), lambda: text_of(page, "#action"))
    assert "keys 2" in text_of(page, "#plan") and "not possible" in text_of(page, "#plan").lower()
    page.find_element(By.ID, "action-close").click()
    post(n1, "/v1/namespaces/shop", {"quota_keys": None}, 200, "PATCH")
    until_sentence(page, WELL)
    until(lambda: "shop is read-only." in text_of(page, "#also"), lambda: text_of(page, "#verdict"))
    post(n1, "/v1/namespaces/shop", None, 200, "DELETE")
    until(lambda: not page.find_element(By.ID, "trouble").is_displayed(), lambda: text_of(page, "#trouble"))
    until_sentence(page, WELL)


def test_a_change_goes_on_at_the_page_of_the_node_that_it_is_sent_to(browser, cluster):
    n1, n2, _ = cluster
    page = open_page(browser, n2)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#node-n2 button"), lambda: text_of(page, "#nodes"))
    press(page, "#node-n2 button")
    page.find_element(By.XPATH, "//*[@id='action-fields']//button[text()='Switch over…']").click()
    until(lambda: "Go on at the page of n1" in text_of(page, "#plan"), lambda: text_of(page, "#plan"))
    page.find_element(By.CSS_SELECTOR, "#plan a").click()
    until(lambda: page.current_url == n1.url + "/", lambda: page.current_url)
    until_planned(page, "hand over n1")
    assert text_of(page, "#action-title") == "Switch over to n2"
    page.find_element(By.ID, "action-close").click()
    assert console_errors(page) == []


def test_a_stopped_replica_is_grey_with_its_age(browser, cluster):
    n1, n2, _ = cluster
    page = open_page(browser, n1)
    n2.process.send_signal(signal.SIGSTOP)
    try:
        until_sentence(page, rf"^n2 (has not been heard for {AGE}: check|has made no progress for {AGE})")
        until(lambda: re.search(rf"\? n2 not heard for {AGE}", tree(page, "running")["n2"]), lambda: tree(page, "running"))
        # What differs is marked in both halves.
        until(lambda: tree(page, "configured")["n2"] == "n2 replica of n1 differs" and "differs" in tree(page, "running")["n2"],
              lambda: (tree(page, "configured"), tree(page, "running")))
        row = node_row(page, "n2")
        assert row["Position"] == "–" and row["Behind"] == "–" and row["Observed"].endswith("ago")
        link = 'document.getElementById("next-link")'
        until(lambda: read(page, f"{link}.textContent.startsWith('Show n2') && {link}.href.endsWith('#node-n2')"), lambda: text_of(page, "#verdict"))
        assert_first_view_agrees(page, n1)
        shoot(page, "stopped-replica")
    finally:
        n2.process.send_signal(signal.SIGCONT)
    until_sentence(page, WELL)


def test_a_stalled_link_says_for_how_long(browser, cluster):
    n1, n2, _ = cluster
    page = open_page(browser, n2)
    n1.process.send_signal(signal.SIGSTOP)
    try:
        until_sentence(page, TROUBLE_WITH_N1)
        until(lambda: re.search(rf"n2 (stalled|cannot connect) for {AGE}", tree(page, "running")["n2"]), lambda: tree(page, "running"))
        until(lambda: re.search(rf"\? n1 not heard for {AGE}", tree(page, "running")["n1"]), lambda: tree(page, "running"))
        until_fact(page, "writable", r"(no|not known) \(n1\)")
        assert_first_view_agrees(page, n2)
        shoot(page, "stalled")
    finally:
        n1.process.send_signal(signal.SIGCONT)
    until_sentence(page, WELL)


def test_a_full_sync_in_progress(browser, cluster):
    n1, n2, _ = cluster
    page = open_page(browser, n1)
    limit_full_sync(n2, SLOWLY)
    try:
        post(n1, "/v1/nodes/n2/resync", None, 202)
        until_sentence(page, rf"^n2 has been in a full sync from n1 for {AGE}: [0-9]+ % done, about {AGE} left; nothing to do but wait\.$")
        until(lambda: re.search(r"full sync [0-9]+ % · [0-9.]+ kB/s", tree(page, "running")["n2"]), lambda: tree(page, "running"))
        until(lambda: re.search("[0-9]+ of [0-9]+ files.* because it was asked for", text_of(page, "#nodes .full-sync")), lambda: text_of(page, "#nodes"))
        until(lambda: "↻ running" in text_of(page, "#operations"), lambda: text_of(page, "#operations"))
        assert "resync-node n2" in text_of(page, "#operations")
        assert_first_view_agrees(page, n1)
        shoot(page, "full-sync")
        # What cannot be cancelled, has no button for that.
        assert page.find_elements(By.CSS_SELECTOR, "#operations button") == []
    finally:
        limit_full_sync(n2, None)
    until_sentence(page, WELL)


def test_a_link_that_nobody_configured(browser, cluster):
    n1, n2, n3 = cluster
    post(n1, "/v1/nodes/n3", {"upstream": "n2"}, 200, "PATCH")
    wait_until_in_sync(n1)
    page = open_page(browser, n1)
    until(lambda: tree(page, "configured")["n3"] == "n3 replica of n2", lambda: tree(page, "configured"))
    n2.kill()
    try:
        claim = lambda: requests.patch(  # noqa: E731
            f"{n3.url}/v1/nodes/self", json={"upstream": "n1", "claim": True}, timeout=60)
        until(lambda: claim().status_code == 200, lambda: claim().text)
        until(lambda: "differs" in tree(page, "running")["n3"] and "differs" in tree(page, "configured")["n3"],
              lambda: (tree(page, "running"), tree(page, "configured")))
        until(lambda: re.search(f"By a claim of its own it follows n1, for {AGE}; configured is n2", text_of(page, "#nodes")), lambda: text_of(page, "#nodes"))
        until(lambda: "n3" in text_of(page, "#drift"), lambda: text_of(page, "#drift"))
        assert_first_view_agrees(page, n1)
        shoot(page, "orphan-link")
    finally:
        n2.start()
        post(n1, "/v1/nodes/n3", {"upstream": "n1"}, 200, "PATCH")
    until_sentence(page, WELL)
    until(lambda: "differs" not in str(tree(page, "running")), lambda: tree(page, "running"))


def test_a_dead_primary_seen_from_a_replica(browser, cluster):
    n1, n2, _ = cluster
    page = open_page(browser, n2)
    until_sentence(page, WELL)
    n1.kill()
    try:
        until_sentence(page, TROUBLE_WITH_N1)
        until(lambda: "not heard" in (node_row(page, "n1") or {}).get("State", ""), lambda: node_row(page, "n1"))
        assert tree(page, "running")["n1"].startswith("? n1 not heard")
        until(lambda: page.find_element(By.ID, "next-link").is_displayed(), lambda: text_of(page, "#verdict"))
        # For three seconds it may have been busy.
        until(lambda: read(page, "document.body.dataset.level") == "bad", lambda: text_of(page, "#verdict"))
        # It goes on, however often the link is tried.
        until(lambda: re.search(r"n2 and n3 cannot follow n1 for ([7-9]|[1-9][0-9]) s|n2 and n3 cannot follow n1 for [0-9]+ min",
                                text_of(page, "#also")), lambda: text_of(page, "#verdict"))
        assert_first_view_agrees(page, n2)
        shoot(page, "primary-dead")
        # Who can take over is one click away.
        until(lambda: re.fullmatch("Have n[23] take over…", page.find_element(By.ID, "next-link").text),
              lambda: text_of(page, "#verdict"))
        press(page, "#next-link")
        until(lambda: "Fail over to n" in text_of(page, "#action-title"), lambda: text_of(page, "#action"))
        page.find_element(By.ID, "action-close").click()
        # What it would cost to have this node take over is said before anything is done.
        press(page, "#node-n2 button")
        page.find_element(By.XPATH, "//*[@id='action-fields']//button[text()='Fail over…']").click()
        until(lambda: "collect promises n2" in text_of(page, "#plan"), lambda: text_of(page, "#plan"))
        page.find_element(By.ID, "action-name").send_keys("n2")
        assert not page.find_element(By.ID, "action-go").is_enabled()
        page.find_element(By.ID, "field-reason").send_keys("n1 is lost")
        until(lambda: page.find_element(By.ID, "action-go").is_enabled() or "not possible" in text_of(page, "#plan"),
              lambda: text_of(page, "#plan"))
        shoot(page, "failover")
        page.find_element(By.ID, "action-close").click()
    finally:
        n1.start()
    until_sentence(page, WELL)


def test_a_diverged_node_comes_back(browser, cluster):
    n1, _, n3 = cluster
    post(n1, "/v1/nodes/n3", None, 200, "DELETE")
    until(lambda: requests.get(f"{n3.url}/v1/nodes/self", timeout=60).json()["running"]["state"] == "detached",
          lambda: requests.get(f"{n3.url}/v1/nodes/self", timeout=60).text)
    page = open_page(browser, n3)
    until_sentence(page, r"^n3 has been detached")
    # It looks at no other node, so it does not know.
    until_fact(page, "writable", r"not known \(n1\)")
    assert_first_view_agrees(page, n3)
    shoot(page, "detached")
    begun = post(n3, "/v1/topology/failover", {"to": "n3", "reason": "a fork", "accept_data_loss": True}, 202)
    requests.get(f"{n3.url}/v1/operations/{begun['id']}?wait=done&timeout=60s", timeout=120)
    put = lambda: requests.put(f"{n3.url}/v1/namespaces/default/keys/fork", data=b"222", timeout=60)  # noqa: E731
    until(lambda: put().status_code in (201, 204), lambda: put().text)
    limit_full_sync(n3, SLOWLY)
    page = open_page(browser, n1)
    n1.add(n3, discard_data=True)
    try:
        until(lambda: "because its history had diverged" in text_of(page, "#nodes"), lambda: text_of(page, "#nodes"))
        shoot(page, "diverged")
    finally:
        limit_full_sync(n3, None)
    until_sentence(page, WELL)
    # What it gave up is said.
    until(lambda: re.search(rf"n3 gave up entries that only it had, {AGE} ago \([0-9]+ by now\): convoy diverged shows them",
                            text_of(page, "#also")), lambda: text_of(page, "#verdict"))
    assert_first_view_agrees(page, n1)
    assert console_errors(page) == []
