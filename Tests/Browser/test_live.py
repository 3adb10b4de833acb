"""What the page does while it goes on: what changes under the focus, what is refused, what comes late, in a tab behind others.

All of it against the stub: no node is needed.
"""

import re
import threading

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from pages import AGE, CONTRAST, PATIENCE, console_errors, open_page, press, read, text_of, until, until_sentence
from states import EVENTS, HISTORY, OPERATIONS, ago, answers_of, document, item, measurements, namespaces, node, sync, trouble
from stub import StubNode

WELL = r"^All is well: n1 accepts writes"


def well(nodes=("n2", "n3", "n4"), **changes):
    return sync([node("n1", "serving"), *(node(name) for name in nodes)], **changes)


@pytest.fixture
def stub():
    """A cluster that is well, as long as a test puts nothing else into `stub.answers`."""
    with StubNode(answers_of(well)) as running:
        running.change_stream("stays")
        yield running


def tell_state(stub, make):
    stub.answers["/v1/sync"] = lambda _: make()


def drawn_again(page, times=2):
    drawn = 'performance.getEntriesByName("draw").length'
    since = read(page, drawn)
    until(lambda: read(page, drawn) >= since + times, lambda: "not drawn")


# ---- Focus ----

def test_who_is_in_a_row_stays_there_when_another_row_goes_or_moves(browser, stub):
    page = open_page(browser, stub)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#node-n4 button"), lambda: text_of(page, "#nodes"))
    page.execute_script("""
        window.blurs = 0;
        const held = document.querySelector("#node-n4 button");
        held.focus();
        held.addEventListener("blur", () => window.blurs += 1);
    """)
    for names in (("n3", "n4"), ("n4", "n3"), ("n3", "n5", "n4", "n6"), ("n4",)):
        tell_state(stub, lambda names=names: well(names))
        shown = """[...document.querySelectorAll("#nodes tr.node .name")].map(name => name.textContent).join()"""
        until(lambda: read(page, shown) == ",".join(("n1", *names)), lambda: read(page, shown))
        assert read(page, "document.activeElement.closest('tr')?.id") == "node-n4"
    assert read(page, "window.blurs") == 0


def test_rows_that_stay_are_not_moved(browser, stub):
    page = open_page(browser, stub)
    moved = page.execute_async_script("""
        const done = arguments[0];
        import("/page/dom.js").then(({keyed}) => {
            const list = document.createElement("ul");
            const draw = keys => keyed(list, keys, key => key, () => document.createElement("li"), () => {});
            const seen = new MutationObserver(() => {});
            draw(["a", "b", "c", "d"]);
            seen.observe(list, {childList: true});
            draw(["b", "c", "d"]);
            const records = seen.takeRecords();
            done([records.flatMap(record => [...record.removedNodes]).length, records.flatMap(record => [...record.addedNodes]).length]);
        });
    """)
    assert moved == [1, 0]


def test_an_operation_that_runs_keeps_its_button(browser, stub):
    done = iter(range(450, 100_000))
    # Begun now: ten minutes after that its age changes once a minute only.
    running = OPERATIONS["items"][0] | {"created_at": ago(9)}
    stub.answers["/v1/operations"] = lambda _: {"items": [
        running | {"progress": {"done": next(done), "total": 100_000, "unit": "bytes"}}], "next_page_token": None}
    page = open_page(browser, stub)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#operations button"), lambda: text_of(page, "#operations"))
    cancel = page.find_element(By.CSS_SELECTOR, "#operations button")
    page.execute_script("arguments[0].focus()", cancel)
    seen = {text_of(page, "#operations time")}, {text_of(page, "#operations progress + p")}

    def has_gone_on():
        seen[0].add(text_of(page, "#operations time"))
        seen[1].add(text_of(page, "#operations progress + p"))
        return len(seen[0]) > 2 and len(seen[1]) > 1
    until(has_gone_on, lambda: seen)
    assert page.execute_script("return document.activeElement === arguments[0]", cancel)
    page.switch_to.active_element.send_keys(Keys.ENTER)
    until(lambda: text_of(page, "#action-title") == "Cancel switchover of n5", lambda: text_of(page, "#action"))
    page.find_element(By.ID, "action-close").click()
    assert page.execute_script("return document.activeElement === arguments[0]", cancel)
    assert "↻ sync: running" in text_of(page, "#operations") and "✓ append: succeeded" in text_of(page, "#operations")
    # When it has ended there is nothing to cancel: the focus stays where that was.
    stub.answers["/v1/operations"] = {"items": [running | {"state": "cancelled", "cancellable": False, "finished_at": ago()}], "next_page_token": None}
    until(lambda: "⊘ cancelled" in text_of(page, "#operations"), lambda: text_of(page, "#operations"))
    assert read(page, "document.activeElement.id") == "operations"


# ---- What the server drew ----

def test_what_the_server_drew_is_taken_over_and_nothing_of_it_stays_behind(browser):
    places = {
        "also-hidden": "", "also": '<li class="bad">of the server</li><li class="warn">of the server</li>',
        "drift": "<li>of the server</li><li>of the server</li>", "trouble-hidden": "",
        "trouble-rows": '<tr role="row"><th>of the server</th></tr>' * 20,
        "nodes": '<tr class="more" role="row"><td colspan="8"><p class="error">of the server</p></td></tr>' * 2,
    }
    with StubNode(answers_of(trouble), places) as stub:
        page = open_page(browser, stub)
        until(lambda: "missing" in text_of(page, "#trouble-rows"), lambda: text_of(page, "#trouble"))
        drawn_again(page)
        assert "of the server" not in read(page, "document.body.innerText")
        until(lambda: len(page.find_elements(By.CSS_SELECTOR, "#also li")) == 5, lambda: text_of(page, "#verdict"))
        assert console_errors(page) == []


def test_two_problems_of_one_kind_at_one_node_are_two_and_stay_two(browser, stub):
    tell_state(stub, lambda: well(verdict=[
        item("bad", "stalled", "n2 stalls.", "n2"),
        item("warn", "orphan-link", "n3 follows n8, too.", "n3"), item("warn", "orphan-link", "n3 follows n9, too.", "n3")]))
    page = open_page(browser, stub)
    until_sentence(page, "n2 stalls")
    drawn_again(page, 4)
    lines = lambda: read(page, '[...document.querySelectorAll("#also li")].map(line => line.innerText)')  # noqa: E731
    until(lambda: (found := lines()) and len(found) == 2 and "n8" in found[0] and "n9" in found[1], lines)


# ---- Pages ----

def test_a_page_is_turned_once_however_often_it_is_asked_for(browser, stub):
    come = threading.Event()
    pages = namespaces(100)

    def answer(query):
        if "page_token" in query or "prefix" in query:
            come.wait(PATIENCE)
        return pages(query)
    stub.answers["/v1/namespaces"] = answer
    page = open_page(browser, stub)
    until(lambda: "1 to 25 of" in text_of(page, "#pages-note"), lambda: text_of(page, "#pages"))
    # The page waits as long as the stub does, which is as long as this looks.
    page.execute_script("""
        const real = window.setTimeout;
        window.setTimeout = (call, wait, ...more) => real(call, wait === 3000 ? arguments[0] : wait, ...more);
    """, 1000 * PATIENCE)
    page.execute_script("for (const _ of [1, 2, 3]) document.getElementById('next-page').click()")
    drawn_again(page)
    # What is shown is still the first page, and says so; there is nothing to press, and the focus does not get lost.
    assert "1 to 25 of" in text_of(page, "#pages-note")
    next_page = page.find_element(By.ID, "next-page")
    assert next_page.get_attribute("aria-disabled") == "true"
    page.execute_script("arguments[0].focus()", next_page)
    assert page.execute_script(CONTRAST)[0] >= 4.5
    come.set()
    until(lambda: "26 to 50" in text_of(page, "#pages-note"), lambda: text_of(page, "#pages"))
    assert "tenant-000025" in text_of(page, "#namespaces") and read(page, "document.activeElement.id") == "next-page"
    # Right after typing, the next page is that of what was typed, not of what is shown.
    come.clear()
    page.find_element(By.ID, "prefix").send_keys("tenant-00")
    page.execute_script("document.getElementById('next-page').click()")
    come.set()
    until(lambda: "1 to 25" in text_of(page, "#pages-note"), lambda: text_of(page, "#pages"))
    assert "tenant-000000" in text_of(page, "#namespaces")


def paged(items, size=50):
    def answer(query):
        start = int(query.get("page_token", 0))
        more = start + size < len(items)
        return {"items": items[start:start + size], "next_page_token": str(start + size) if more else None}
    return answer


def test_what_is_older_is_one_click_away_and_what_is_cut_off_is_said(browser, stub):
    one = OPERATIONS["items"][1]
    stub.answers["/v1/operations"] = paged([one | {"id": f"op_{number}", "node": f"m{number}"} for number in range(120)])
    stub.answers["/v1/topology/history"] = paged([document(generation) for generation in range(70, 0, -1)])
    stub.answers["/v1/events"] = {"items": [EVENTS["items"][0] | {"id": f"0-{number}", "detail": f"Event {number}."}
                                            for number in range(8, 308)], "next_page_token": None}
    page = open_page(browser, stub)
    note = lambda: text_of(page, "#lately-note")  # noqa: E731
    until(lambda: note() == "the newest 50", note)
    press(page, "#older")
    until(lambda: note() == "51 to 100" and "m99" in text_of(page, "#operations"), note)
    press(page, "#older")
    until(lambda: note() == "101 to 120" and "m119" in text_of(page, "#operations"), note)
    assert page.find_element(By.ID, "older").get_attribute("aria-disabled") == "true"
    press(page, "#newest")
    until(lambda: text_of(page, "#operations h3") == "switchover m0", note)
    press(page, "#tab-topology")
    until(lambda: "Generation 70" in text_of(page, "#topology"), lambda: text_of(page, "#topology"))
    press(page, "#older")
    until(lambda: "Generation 20" in text_of(page, "#topology") and "Generation 21" not in text_of(page, "#topology"), note)
    press(page, "#tab-events")
    until(lambda: "Event 307." in text_of(page, "#event-list"), lambda: text_of(page, "#event-list"))
    # Those are all here; what the page does not keep, it says.
    assert "Event 8." in text_of(page, "#event-list") and "Older than the newest 300 are not shown." in text_of(page, "#event-list")
    assert not page.find_element(By.ID, "older").is_displayed()
    press(page, "#tab-audit")
    until(lambda: not page.find_element(By.ID, "lately-pages").is_displayed(), note)


def test_the_replica_that_lags_most_is_drawn_and_the_others_are_counted(browser, stub):
    def lagging(_):
        lags = {f"n{number}": [0.1] * 60 for number in range(2, 7)} | {"n7": [30.0] * 60}
        return measurements(_) | {"replica_lag_seconds": lags}
    stub.answers["/v1/nodes/self/measurements"] = lagging
    stub.answers["/v1/sync"] = lambda _: sync(
        [node("n1", "serving")] + [node(f"n{number}") for number in range(2, 12)], [item("bad", "catalog-differs", "n11 differs.", "n11")])
    differs = {"catalog": {"namespaces": 18, "digest": "bb" * 16, "index": 119_002}}
    stub.answers["/v1/sync"] = lambda _: sync([node("n1", "serving")] + [
        node(f"n{number}", **(differs if number == 11 else {})) for number in range(2, 12)])
    page = open_page(browser, stub)
    until(lambda: "the 4 of 6 that were furthest" in text_of(page, "#plots"), lambda: text_of(page, "#plots"))
    assert "n7" in read(page, '[...document.querySelectorAll("#plots .legend")].map(legend => legend.textContent)')
    until(lambda: text_of(page, "#trouble-note") == "8 of 11 nodes, the worst first" and "n11" in text_of(page, "#trouble-head"),
          lambda: text_of(page, "#trouble"))


# ---- What cannot be read ----

SOURCES = {
    "/v1/topology/drift": ("shape-title", "drift", "drift-none"), "/v1/links": ("shape-title", "links", "drift"),
    "/v1/nodes/self": ("nodes-title", "this node", None), "/v1/namespaces": ("namespaces-title", "namespaces", "namespaces"),
    "/v1/nodes/self/measurements": ("plots-title", "figures", "plots"), "/v1/operations": ("lately-title", "operations", "operations")}


def test_what_is_refused_is_said_where_it_is_missing_and_what_is_shown_is_old(browser, stub):
    page = open_page(browser, stub)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#plots svg") and page.find_elements(By.CSS_SELECTOR, "#operations article"),
          lambda: text_of(page, "main"))
    until(lambda: page.find_elements(By.CSS_SELECTOR, ".unread:not(:empty)") == [], lambda: text_of(page, "main"))
    stub.refused |= dict.fromkeys(SOURCES, 503)
    for title, name, old in SOURCES.values():
        until(lambda: re.search(rf"! {name} not read for {AGE}: It is busy\.", text_of(page, f"#{title}"))
              and (old is None or page.find_elements(By.CSS_SELECTOR, f"#{old}.old")), lambda: (old, text_of(page, f"#{title}")))
    until_sentence(page, WELL)
    stub.refused.clear()
    until(lambda: page.find_elements(By.CSS_SELECTOR, ".unread:not(:empty), .old") == [], lambda: text_of(page, "main"))


def test_a_search_that_is_refused_does_not_pass_for_its_result(browser, stub):
    page = open_page(browser, stub)
    until(lambda: "tenant-000000" in text_of(page, "#namespaces"), lambda: text_of(page, "#namespaces"))
    stub.refused["/v1/namespaces"] = 503
    page.find_element(By.ID, "prefix").send_keys("tenant-00005")
    until(lambda: "namespaces not read for" in text_of(page, "#namespaces-title")
          and page.find_elements(By.CSS_SELECTOR, "#namespaces.old"), lambda: text_of(page, "#tenants"))


def test_events_that_are_refused_or_do_not_come_are_said(browser, stub):
    stub.refused["/v1/events"] = 429
    page = open_page(browser, stub)
    press(page, "#tab-events")
    until(lambda: "! events never read: It is busy." in text_of(page, "#lately-title"), lambda: text_of(page, "#lately"))
    # A stream that does not even begin is given up, and asked for again.
    stub.change_stream("silent")
    stub.refused.clear()
    until(lambda: len(stub.streams) >= 2, lambda: stub.streams)
    until(lambda: "! events never read: the stream broke off." in text_of(page, "#lately-title"), lambda: text_of(page, "#lately"))
    stub.change_stream("stays")
    until(lambda: "8th time" in text_of(page, "#event-list"), lambda: text_of(page, "#lately"))
    until(lambda: "!" not in text_of(page, "#lately-title"), lambda: text_of(page, "#lately-title"))
    stub.tell(EVENTS["items"][0] | {"id": "0-8", "detail": "Just now."})
    until(lambda: "Just now." in text_of(page, "#event-list"), lambda: text_of(page, "#event-list"))


# ---- Sessions ----

def test_events_of_before_come_again_after_a_login_and_after_a_failure(browser, stub):
    seen = threading.Event()

    def earlier(_):
        return EVENTS if seen.is_set() else (503, {"detail": "It is busy."})
    stub.answers |= {"/v1/events": earlier, "POST /v1/session": (201, {}), "DELETE /v1/session": (200, {}),
                     "/v1/whoami": {"kind": "session", "scopes": ["cluster:read"]}}
    page = open_page(browser, stub)
    press(page, "#tab-events")
    until(lambda: "earlier events never read: It is busy." in text_of(page, "#lately-title"), lambda: text_of(page, "#lately"))
    seen.set()
    until(lambda: "8th time" in text_of(page, "#event-list"), lambda: text_of(page, "#event-list"))
    stub.refused["/v1/sync"] = 401
    until_sentence(page, "^Log in: ")
    stub.refused.clear()
    page.find_element(By.ID, "login-token").send_keys("cvy_x")
    press(page, "#login-send")
    until_sentence(page, WELL)
    until(lambda: "8th time" in text_of(page, "#event-list"), lambda: text_of(page, "#lately"))
    details = read(page, '[...document.querySelectorAll("#event-list .detail")].map(detail => detail.textContent)')
    assert len(details) == 8 and "8th" in details[0] and "1th" in details[-1], details


# ---- Time ----

def test_a_tab_behind_others_says_in_its_title_what_is_wrong(browser, stub):
    page = open_page(browser, stub)
    until(lambda: page.title.startswith("✓ n1"), lambda: page.title)
    # What is asked for each ten seconds is not, from now on: only because the tab is looked at again.
    asked = lambda: sum(path == "/v1/whoami" for _, path, _, _ in stub.asked)  # noqa: E731
    before = asked()
    page.execute_script("""
        const real = window.setTimeout;
        window.setTimeout = (call, wait, ...more) => real(call, wait === 10000 ? 1e9 : wait, ...more);
        document.dispatchEvent(new Event("visibilitychange"));
    """)
    until(lambda: asked() > before, lambda: stub.asked[-20:])
    first = page.current_window_handle
    page.switch_to.new_window("tab")
    try:
        tell_state(stub, lambda: well(verdict=[item("bad", "stalled", "n2 stalls.", "n2")]))

        def title():
            found = page.execute_cdp_cmd("Target.getTargets", {})["targetInfos"]
            return next(target["title"] for target in found if target["url"].startswith(stub.url))
        until(lambda: title() == "✕ n2 stalls. · n1", title)
        before = asked()
    finally:
        page.close()
        page.switch_to.window(first)
    assert "cf222e" in read(page, "document.getElementById('icon').href")
    until_sentence(page, "^n2 stalls")
    until(lambda: asked() > before, lambda: stub.asked[-20:])


def test_a_page_that_slept_blames_nobody(browser, stub):
    page = open_page(browser, stub)
    until_sentence(page, WELL)
    page.execute_script("""
        window.said = [];
        new MutationObserver(() => window.said.push(document.getElementById("sentence").textContent))
            .observe(document.getElementById("sentence"), {childList: true, characterData: true, subtree: true});
        window.rows = [];
        new MutationObserver(() => window.rows.push(document.getElementById("nodes").innerText))
            .observe(document.getElementById("nodes"), {childList: true, characterData: true, subtree: true});
        // As after a sleep: the clock has gone on, and nothing was asked. It jumps while the state is asked for,
        // and the answer comes once what is said of that was drawn, however long that takes.
        const [real, ask, later] = [performance.now.bind(performance), window.fetch, window.setTimeout];
        window.setTimeout = (call, wait, ...more) => later(call, wait === 3000 ? 60000 : wait, ...more);
        let slept = false;
        window.fetch = async (path, ...more) => {
            const answer = await ask(path, ...more);
            if (path !== "/v1/sync" || slept) return answer;
            slept = true;
            window.said = [];
            performance.now = () => real() + 60000;
            while (window.said.length === 0) await new Promise(done => later(done, 50));
            return answer;
        };
    """)
    until(lambda: re.search(WELL, (read(page, "window.said") or [""])[-1]), lambda: read(page, "window.said"))
    said = read(page, "window.said")
    assert re.fullmatch(f"Reading the state again: what you see below is {AGE} old.", said[0]), said
    assert "hangs" not in str(said)
    assert "not heard" not in str(read(page, "window.rows"))


def test_figures_that_come_no_more_end_before_the_right_edge(browser, stub):
    def stopped(_):
        found = measurements(_)
        return found | {"measured_at": [ago(10 * (359 - place) + 900) for place in range(360)]}
    stub.answers["/v1/nodes/self/measurements"] = stopped
    page = open_page(browser, stub)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#plots svg"), lambda: text_of(page, "#plots"))
    ends = read(page, """[...document.querySelectorAll("#plots .panel:first-child .dot")].map(dot =>
        dot.getAttribute("cx") / dot.closest("svg").getAttribute("width"))""")
    # A quarter of an hour of an hour.
    assert ends and all(0.65 < end < 0.85 for end in ends), ends


def test_a_lag_that_is_no_longer_known_ends_before_the_right_edge(browser, stub):
    lag = {"lag": {"entries": None, "bytes": None, "seconds": None}}
    tell_state(stub, lambda: sync([node("n1", "serving"), node("n2") | lag]))
    stub.answers["/v1/nodes/self/measurements"] = lambda _: measurements(_) | {
        "replica_lag_seconds": {"n2": [0.5] * 30 + [None] * 30}}
    page = open_page(browser, stub)
    until(lambda: page.find_elements(By.CSS_SELECTOR, "#running .spark .curve"), lambda: text_of(page, "#shape"))
    end = read(page, """(() => {
        const [curve, base] = ["curve", "base"].map(name => document.querySelector(`#running .spark .${name}`).getBBox());
        return (curve.x + curve.width - base.x) / base.width;
    })()""")
    assert 0.4 < end < 0.6, end
