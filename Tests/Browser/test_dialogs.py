"""The dialogs of changes, the login and the links, with a stub in place of the node: what a person and a reader of screens get."""

import json
import re
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import PATIENCE, console_errors, open_page, press, read, text_of, until
from states import ago, answers_of, item, many, node, sync, trouble
from stub import StubNode

SWITCHOVER = "/v1/topology/switchover"
FLUSH = "/v1/namespaces/tenant-000000/flush"
SPECIFICATION = Path(__file__).parents[2] / "openapi" / "convoy.yaml"


def finding(code, detail="as it is", **evidence):
    figures = [{"name": name, "value": value, "measured": True} for name, value in evidence.items()]
    return {"code": code, "node": "n2", "detail": detail, "evidence": figures, "remedy": "none needed"}


def plan(*risks, blockers=()):
    return {"steps": [{"code": "hand-over", "node": "n1", "detail": "it hands over"}], "risks": list(risks), "blockers": list(blockers)}


def three():
    return sync([node("n1", "serving"), node("n2"), node("n3")])


class Cluster:
    """A stub whose `plan`, `answer` and `operation` a test sets."""

    def __init__(self, state=three):
        self.plan, self.answer, self.operation = plan(finding("write-pause", pause_ms=3)), (202, {"id": "op_9"}), {"state": "running"}
        changing = lambda query: self.plan if "dry_run" in query else self.answer() if callable(self.answer) else self.answer  # noqa: E731
        changes = {f"POST {SWITCHOVER}": changing, f"POST {FLUSH}": changing, "DELETE /v1/nodes/n2": changing,
                   "POST /v1/nodes/n2/resync": changing}
        self.stub = StubNode(answers_of(state) | changes | {"/v1/operations/op_9": lambda _: self.operation})

    def sent(self, dry=False):
        """The changes that were asked for, or their plans: each with its headers."""
        return [headers for method, path, headers, _ in self.stub.asked
                if method in ("POST", "DELETE") and ("dry_run" in path) == dry and urlsplit(path).path != "/v1/session"]


@contextmanager
def opened(browser, cluster):
    with cluster.stub:
        page = open_page(browser, cluster.stub)
        until(lambda: page.find_element(By.ID, "add-node").is_displayed(), lambda: text_of(page, "main"))
        yield page


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def page(browser, cluster):
    with opened(browser, cluster) as page:
        yield page


def ask_for(page, change):
    page.execute_script("location.hash = arguments[0]", f"do={change}")
    until(lambda: page.find_element(By.ID, "action").is_displayed(), lambda: text_of(page, "main"))


def go(page):
    return page.find_element(By.ID, "action-go")


def until_planned(page):
    until(lambda: go(page).is_enabled(), lambda: text_of(page, "#action"))


def result(page):
    return text_of(page, "#action-result")


def until_result(page, words):
    until(lambda: words in result(page), lambda: text_of(page, "#action"))


def until_begun(page):
    """The words of that stand there for half a second only."""
    until(lambda: re.search("↻ (Begun|Running|Not known)", text_of(page, "#action-outcome")), lambda: text_of(page, "#action"))


def focused(page):
    return read(page, "document.activeElement.id")


# ---- Progress ----

def test_progress_is_shown_and_only_the_end_is_said_aloud(page, cluster):
    cluster.operation = {"state": "running", "steps": [{"name": "catch-up", "state": "running"}]}
    ask_for(page, "switch-over&node=n2")
    until_planned(page)
    page.execute_script("""
        window.said = [];
        for (const element of document.querySelectorAll("#action [role=alert], #action [aria-live], #action [role=status]"))
            new MutationObserver(() => said.push(element.textContent)).observe(element, {childList: true, characterData: true, subtree: true});
    """)
    go(page).click()
    until(lambda: "Running: catch up, for" in text_of(page, "#action-progress"), lambda: text_of(page, "#action"))
    place = "document.getElementById('action-close').getBoundingClientRect().top"
    where = read(page, place)
    seen, began = len(cluster.stub.asked), time.monotonic()
    until(lambda: re.search("for ([3-9]|[1-9][0-9]) s|for [0-9]+ min", text_of(page, "#action-progress")),
          lambda: text_of(page, "#action"))
    # No step has come, so not with each look, twice a second: by its own poll, and what was under way already.
    asked = sum(path == "/v1/whoami" for _, path, *_ in cluster.stub.asked[seen:])
    assert asked <= 2 + (time.monotonic() - began) / 2
    cluster.operation = {"state": "succeeded"}
    until_result(page, "✓ Succeeded after ")
    assert text_of(page, "#action-progress") == "" and read(page, place) == where
    said = [text for text in read(page, "window.said") if text]
    assert [text.split(".")[0].split(" after")[0] for text in said] == ["↻ Begun", "✓ Succeeded"]


# ---- A plan ----

def test_a_change_that_is_asked_for_early_waits_until_it_is_known_whose_page_this_is(browser, cluster):
    known, own = threading.Event(), cluster.stub.answers["/v1/nodes/self"]

    def later(query):
        known.wait(PATIENCE)
        return own(query)

    cluster.stub.answers["/v1/nodes/self"] = later
    with cluster.stub:
        browser.get(cluster.stub.url + "/")
        until(lambda: browser.find_element(By.ID, "add-node").is_displayed(), lambda: text_of(browser, "main"))
        press(browser, "#add-node")
        until(lambda: text_of(browser, "#plan"), lambda: text_of(browser, "#action"))
        assert text_of(browser, "#plan") == "Looking at what it would do…" and text_of(browser, "#self") == ""
        known.set()
        until(lambda: "comes as soon as there is an address" in text_of(browser, "#plan"), lambda: text_of(browser, "#action"))


# ---- A plan that has changed ----

def test_a_plan_that_got_worse_is_shown_before_it_is_confirmed(page, cluster):
    # What waits for a second waits until it is let go: however slowly this looks, the time to read is not over.
    page.execute_script("""
        const real = window.setTimeout;
        window.held = [];
        window.setTimeout = (call, wait, ...more) => wait === 1000 ? (held.push(() => call(...more)), 0) : real(call, wait, ...more);
        window.letGo = () => {
            window.setTimeout = real;
            held.forEach(call => call());
        };
    """)
    ask_for(page, "switch-over&node=n2")
    until_planned(page)
    cluster.plan = plan(finding("write-pause", pause_ms=9), finding("stale-observation", "what is known of it is old"))
    go(page).click()
    until_result(page, "! Not sent: the plan has changed.")
    assert "what is known of it is old" in text_of(page, "#plan") and cluster.sent() == []
    # A second press of the same hand does not confirm it.
    assert not go(page).is_enabled() and focused(page) == "action-close"
    page.execute_script("letGo()")
    until_planned(page)
    go(page).click()
    until_begun(page)
    assert len(cluster.sent()) == 1


def test_who_closes_the_dialog_while_the_plan_is_looked_at_again_sends_nothing(page, cluster):
    ask_for(page, "switch-over&node=n2")
    until_planned(page)
    answered, planned = threading.Event(), cluster.stub.answers[f"POST {SWITCHOVER}"]

    def slowly(query):
        answered.wait(PATIENCE)
        return planned(query)
    cluster.stub.answers[f"POST {SWITCHOVER}"] = slowly
    plans = len(cluster.sent(dry=True))
    go(page).click()
    until(lambda: len(cluster.sent(dry=True)) > plans, lambda: cluster.stub.asked)
    page.find_element(By.ID, "action-close").click()
    answered.set()
    # Long enough for a request on loopback.
    time.sleep(1)
    assert cluster.sent() == []


def test_a_plan_that_has_come_to_be_impossible_is_not_sent(page, cluster):
    ask_for(page, "switch-over&node=n2")
    until_planned(page)
    cluster.plan = plan(blockers=[finding("lagging", "it is too far behind")])
    go(page).click()
    until_result(page, "the plan has changed")
    assert "it is too far behind" in text_of(page, "#plan") and cluster.sent() == []
    cluster.plan = plan()
    page.find_element(By.ID, "action-again").click()
    until_planned(page)


def test_figures_that_move_do_not_stop_a_change(page, cluster):
    cluster.plan = plan(finding("write-pause", behind_entries=3), finding("in-use", writes=7))
    ask_for(page, "switch-over&node=n2")
    until_planned(page)
    cluster.plan = plan(finding("write-pause", behind_entries=900))
    go(page).click()
    until_begun(page)


@pytest.mark.parametrize("before, after, expected", [
    ([], [], False), ([], [finding("lagging")], True), ([finding("lagging")], [], False),
    ([finding("lagging", "a")], [finding("lagging", "b")], True),
    ([finding("lagging", behind=1)], [finding("lagging", behind=9)], False),
    ([finding("data-loss", entries=10, seconds=1)], [finding("data-loss", entries=20, seconds=60)], False),
    ([finding("data-loss", entries=10)], [finding("data-loss", entries=21)], True),
    ([finding("data-loss", entries=0)], [finding("data-loss", entries=1)], True)])
def test_what_makes_a_plan_another_one(page, before, after, expected):
    assert page.execute_async_script("""
        const [before, after, done] = arguments;
        import("/page/actions.js").then(({hasMore}) => done(hasMore(JSON.parse(before), JSON.parse(after))));
    """, json.dumps(before), json.dumps(after)) is expected


# ---- An answer that is lost ----

def lose_answers(page, cluster):
    """The page waits for half a second; the node does what it is asked for, and says nothing."""
    page.execute_script("""
        const real = window.setTimeout;
        window.setTimeout = (call, wait, ...more) => real(call, wait === 30000 ? 500 : wait, ...more);
    """)
    silence = threading.Event()
    cluster.answer = lambda: silence.wait(PATIENCE) and None


def test_a_change_whose_answer_is_lost_is_sent_again_as_the_same(page, cluster):
    cluster.plan = plan(finding("data-loss", keys=4))
    lose_answers(page, cluster)
    ask_for(page, "flush&namespace=tenant-000000")
    page.find_element(By.ID, "action-name").send_keys("tenant-000000")
    until_planned(page)
    go(page).click()
    until_result(page, "! No answer came in time. Whether it was done is not known: the audit tells.")
    assert "operations" not in result(page) and "“Flush” once more does it once in all" in result(page)
    # It was done, which the plan shows as what is in the way.
    cluster.answer, cluster.plan = {"index": 7}, plan(blockers=[finding("read-only", "it is empty")])
    until_planned(page)
    go(page).click()
    until_result(page, "✓ Done.")
    keys = [headers.get("Idempotency-Key") for headers in cluster.sent()]
    assert len(keys) == 2 and keys[0] == keys[1] and re.fullmatch("[!-~]{20,255}", keys[0])
    assert all("Idempotency-Key" not in headers for headers in cluster.sent(dry=True))
    assert "Idempotency-Key" not in text_of(page, "#action-curl")
    # The next one is another one.
    page.find_element(By.ID, "action-close").click()
    cluster.plan = plan()
    ask_for(page, "flush&namespace=tenant-000000")
    page.find_element(By.ID, "action-name").send_keys("tenant-000000")
    until_planned(page)
    go(page).click()
    until_result(page, "✓ Done.")
    assert cluster.sent()[-1]["Idempotency-Key"] != keys[0]


def test_a_node_that_does_not_know_the_outcome_is_believed(page, cluster):
    cluster.answer = (503, {"code": "outcome-unknown", "detail": "The change may have been made, or not."})
    ask_for(page, "switch-over&node=n2")
    until_planned(page)
    go(page).click()
    until_result(page, "! The change may have been made, or not. Whether it was done is not known")
    cluster.answer = (409, {"code": "switchover-running", "detail": "A switchover runs."})
    go(page).click()
    until_result(page, "✕ A switchover runs.")


def test_a_key_goes_where_the_route_takes_one(page, cluster):
    """As the API's description has it."""
    takes, route = set(), None
    for line in SPECIFICATION.read_text().splitlines():
        if found := re.match(r"  (/v1\S*):", line):
            route = re.sub(r"\{[^}]*\}", "*", found[1])
        elif found := re.match("    (get|put|post|patch|delete):", line):
            method = found[1].upper()
        elif "parameters/IdempotencyKey" in line:
            takes.add(f"{method} {route}")
    made = page.execute_async_script("""
        const done = arguments[0];
        import("/page/changes.js").then(({ofLink, cancel}) => done([...["switch-over", "fail-over", "resync", "follow", "remove", "add-node",
            "flush"].map(name => ofLink(`do=${name}&node=*&namespace=*`)), cancel({id: "*"})]
            .map(({method, path, takesKey}) => [`${method} ${decodeURIComponent(path)}`, takesKey ?? false])));
    """)
    assert len(made) == 8 and {route: route in takes for route, _ in made} == dict(made)
    ask_for(page, "remove&node=n2")
    page.find_element(By.ID, "action-name").send_keys("n2")
    until_planned(page)
    go(page).click()
    until_begun(page)
    assert "Idempotency-Key" not in cluster.sent()[0]


def test_a_plan_that_does_not_come_is_asked_for_again(page, cluster):
    cluster.stub.refused[SWITCHOVER] = 503
    ask_for(page, "switch-over&node=n2")
    until(lambda: "✕ It is busy." in text_of(page, "#plan"), lambda: text_of(page, "#action"))
    del cluster.stub.refused[SWITCHOVER]
    page.find_element(By.ID, "action-again").click()
    until_planned(page)
    assert focused(page) == "action-again"
    # Also when it was there, and does not come once more.
    cluster.stub.refused[SWITCHOVER] = 503
    go(page).click()
    until_result(page, "✕ Not sent. It is busy.")
    assert cluster.sent() == []


# ---- Focus ----

@pytest.mark.parametrize("change, expected", [
    ("switch-over&node=n2", "action-close"), ("resync&node=n2", "action-name"), ("add-node", "field-address"),
    ("fail-over&node=n2", "field-reason")])
def test_a_dialog_begins_where_it_can_be_used(page, change, expected):
    ask_for(page, change)
    assert focused(page) == expected and page.switch_to.active_element.is_displayed()


def test_a_dialog_at_another_node_begins_where_it_can_be_used(browser):
    """What is to be typed is hidden where the change is not made."""
    cluster = Cluster()
    cluster.stub.answers["/v1/nodes/self"] = lambda _: three()["nodes"][1]
    with opened(browser, cluster) as page:
        ask_for(page, "resync&node=n3")
        assert "This is sent to n1" in text_of(page, "#plan") and not page.find_element(By.ID, "action-again").is_displayed()
        assert focused(page) == "action-close"


# ---- Links to nodes ----

def lagging():
    state = many(60)
    state["verdict"] = [item("warn", "lagging", "n57 is 9 s behind.", "n57")]
    return state


def test_a_link_leads_to_the_row_of_any_node(browser):
    with opened(browser, Cluster(lagging)) as page:
        until(lambda: text_of(page, "#next-link") == "Show n57 ↓", lambda: text_of(page, "#verdict"))
        rows = 'document.querySelectorAll("#nodes tr.node").length'
        assert read(page, rows) == 20 and read(page, 'document.querySelector("#nodes tr.node .name").textContent') == "n57"
        page.find_element(By.ID, "next-link").send_keys(Keys.ENTER)
        until(lambda: focused(page) == "node-n57", lambda: focused(page))
        assert read(page, rows) == 20
        # Also one that is well and far down.
        page.execute_script("location.hash = 'node-n44'")
        until(lambda: focused(page) == "node-n44", lambda: focused(page))
        assert read(page, rows) == 60
        place = "document.activeElement.getBoundingClientRect()"
        until(lambda: 0 <= read(page, place)["top"] < read(page, "innerHeight"), lambda: read(page, place))
        page.execute_script("location.hash = 'node-%'")
        until(lambda: not read(page, "location.hash"), lambda: page.current_url)
        assert console_errors(page) == []


# ---- Login and logout ----

@pytest.fixture
def session(browser, cluster):
    scopes = ["cluster:read", "topology:write"]
    cluster.stub.answers |= {"/v1/whoami": {"kind": "token", "scopes": scopes}, "POST /v1/session": (201, {}),
                             "DELETE /v1/session": (204, None), "/livez": {}}
    with opened(browser, cluster) as page:
        until(lambda: page.find_element(By.ID, "logout").is_displayed(), lambda: text_of(page, "header"))
        yield page


def end_session(cluster):
    cluster.stub.refused["/v1/sync"] = 401


def test_a_session_that_ends_closes_the_dialog(session, cluster):
    ask_for(session, "add-node")
    end_session(cluster)
    until(lambda: session.find_element(By.ID, "login").is_displayed(), lambda: text_of(session, "main"))
    assert not session.find_element(By.ID, "action").is_displayed()
    until(lambda: focused(session) == "login-token", lambda: focused(session))
    session.switch_to.active_element.send_keys("cvy_x")
    del cluster.stub.refused["/v1/sync"]
    session.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: session.find_element(By.ID, "data").is_displayed(), lambda: text_of(session, "main"))
    until(lambda: focused(session) == "main", lambda: focused(session))


def test_a_logout_that_fails_says_so(session, cluster):
    cluster.stub.refused["/v1/session"] = 503
    press(session, "#logout")
    error = session.find_element(By.ID, "logout-error")
    until(lambda: error.text == "✕ Not logged out: It is busy. Try again.", lambda: text_of(session, "header"))
    assert error.get_attribute("role") == "alert" and session.find_element(By.ID, "data").is_displayed()
    # The session is over already.
    cluster.stub.refused["/v1/session"] = 401
    session.find_element(By.ID, "logout").send_keys(Keys.ENTER)
    until(lambda: focused(session) == "login-token", lambda: focused(session))
    assert error.text == "" and not session.find_element(By.ID, "data").is_displayed()


# ---- Times and words ----

def claimed():
    state = trouble()
    for one, seconds in zip(state["verdict"], (60, 75)):
        one["since"] = ago(seconds)
    state["nodes"][3]["running"]["claim"] = {"upstream": "n3", "since": ago(30)}
    return state


TIME = r"2\d{3}-\d\d-\d\dT[0-9:.]+Z"


def test_every_age_has_its_time(browser):
    cluster = Cluster(claimed)
    # The times stay what they are, however often they are asked for.
    kept = claimed()
    def now(_):
        nodes = [node | {"observed_at": ago()} if node["running"] else node for node in kept["nodes"]]
        return kept | {"observed_at": ago(), "nodes": nodes}
    cluster.stub.answers["/v1/sync"] = now
    with opened(browser, cluster) as page:
        hints = {
            "#sentence": rf"{TIME}", "#also li:nth-child(1) span": rf"{TIME}", "#node-n4 + .more .difference": rf"{TIME}",
            "#trouble-rows tr:nth-child(2) .warn-text": rf"{TIME}", "#fact-digest": rf"(8f)+, verified at {TIME}"}
        title = lambda selector: read(page, f"document.querySelector({selector!r})?.title ?? ''")  # noqa: E731
        for selector, expected in hints.items():
            until(lambda: re.fullmatch(expected, title(selector)), lambda: (selector, title(selector), text_of(page, "#trouble-rows")))
        until(lambda: title("#sentence") == kept["verdict"][0]["since"], lambda: title("#sentence"))


def test_the_words_of_the_page_are_explained(page):
    summary = page.find_element(By.CSS_SELECTOR, "#words summary")
    summary.send_keys(Keys.ENTER)
    text = text_of(page, "#words")
    for word in ("Reign, term", "Claim", "Catalog digest", "convoy diverged"):
        assert word in text
