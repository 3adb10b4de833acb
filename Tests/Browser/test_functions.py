"""The page's pure functions, each by itself: what they make of what the API says."""

import json

import pytest

from pages import open_page
from sentences import SENTENCES
from states import answers_of, document, node, trouble
from stub import StubNode


@pytest.fixture(scope="module")
def page(browser):
    with StubNode(answers_of(trouble)) as stub:
        yield open_page(browser, stub)


def call(page, module, function, *arguments):
    found = page.execute_async_script("""
        const [module, name, given, done] = arguments;
        import(`/page/${module}.js`).then(module => done({value: module[name](...JSON.parse(given))}))
            .catch(error => done({error: String(error)}));
    """, module, function, json.dumps(arguments))
    assert "error" not in found, found
    return found["value"]


@pytest.mark.parametrize("name", SENTENCES)
def test_the_worst_problem_comes_first(page, name):
    view, expected, leads_to = SENTENCES[name]
    found = call(page, "problems", "problems", view)
    assert [problem["text"] for problem in found] == expected
    assert (found[0]["next"] or {}).get("href") == leads_to


@pytest.mark.parametrize("value, expected", [
    (0, 1), (0.3, 0.5), (1, 1), (1.01, 2), (4, 5), (7, 10), (120, 200), (999_999, 1_000_000)])
def test_an_axis_has_round_steps(page, value, expected):
    assert call(page, "plots", "nice", value) == pytest.approx(expected)


@pytest.mark.parametrize("block, expected", [
    ("id: 1-2\ndata: {}", {"event": "message", "id": "1-2", "data": "{}"}),
    ("retry: 1000\nid: 1-2", {"event": "message", "id": "1-2", "data": None}),
    (": beat", {"event": "message", "id": None, "data": None}),
    ("event: reset\ndata: a\ndata: b", {"event": "reset", "id": None, "data": "a\nb"})])
def test_a_block_of_a_stream_is_read(page, block, expected):
    assert call(page, "stream", "parse", block) == expected


@pytest.mark.parametrize("newer, older, expected", [
    (document(2, ("n2", "n1")), document(1), ["+ n2, follows n1"]),
    (document(2), document(1, ("n2", "n1")), ["− n2"]),
    (document(2, ("n2", "n1"), ("n3", "n2")), document(1, ("n2", "n1"), ("n3", "n1")), ["n3: follows n1 → n2"]),
    (document(2, min_in_sync_replicas=1, primary="n2"), document(1), ["primary: n1 → n2", "min_in_sync_replicas: 0 → 1"]),
    (document(2), document(1), ["the same content"]),
    (document(1), None, ["founded with n1"])])
def test_what_a_generation_changes_is_said(page, newer, older, expected):
    assert call(page, "history", "differences", newer, older) == expected


@pytest.mark.parametrize("words, expected", [
    ([], ""),
    (["quota-keys-nearly-used-up"], "nearly full"),
    (["read-only", "quota-keys-used-up", "quota-bytes-nearly-used-up"], "read-only, full"),
    (["soft-quota-keys-exceeded", "quota-keys-nearly-used-up"], "over its soft quota"),
    (["quota-bytes-used-up", "soft-quota-bytes-exceeded"], "full")])
def test_a_namespace_in_trouble_says_why(page, words, expected):
    assert call(page, "tenants", "troubleText", words) == expected


@pytest.mark.parametrize("told, held, expected", [
    ({"items": [{"name": "shop", "keys": 2}]}, ("✓", "same", "ok"), "✓ 2 keys"),
    ({"items": []}, ("✓", "same", "ok"), "≠ not in trouble here"),
    ({"items": []}, ("↻", "as of 7", "info"), "↻ as of 7"),
    ({"items": [{"name": "other", "keys": 2}], "used_up": 30}, ("✓", "same", "ok"), "? not told"),
    (None, ("✓", "same", "ok"), "? not told"),
    ({"items": [{"name": "shop", "keys": 2}]}, ("?", "unknown", "old"), "✓ 2 keys"),
    ({"items": [{"name": "shop", "keys": 2}]}, ("?", "not heard", "old"), "? not heard")])
def test_a_namespace_in_trouble_is_shown_as_each_node_has_it(page, told, held, expected):
    counts = {"used_up": 0, "over_soft_quota": 0, "nearly_used_up": 0, "read_only": 0}
    node = {"catalog": {"index": 9}, "namespaces_in_trouble": told and counts | told}
    cell = call(page, "tenants", "troubledAt", node, "shop", dict(zip(("symbol", "word", "level"), held)))
    assert f"{cell['symbol']} {cell['word']}" == expected


@pytest.mark.parametrize("difference, expected", [("missing", "✕ missing"), ("extra", "✕ not on the primary"), ("differs", "✕ differs")])
def test_a_namespace_that_is_not_the_same_is_shown_where_it_is_not(page, difference, expected):
    node = {"catalog": {"index": 9}, "namespaces_in_trouble": {"items": []}, "catalog_differences": {
        "count": 1, "items": [{"name": "shop", "difference": difference}]}}
    cell = call(page, "tenants", "troubledAt", node, "shop", {"symbol": "✕", "word": "differs", "level": "bad"})
    assert f"{cell['symbol']} {cell['word']}" == expected


@pytest.mark.parametrize("link, title", [
    ("do=switch-over&node=n2", "Switch over to n2"), ("do=fail-over&node=n2", "Fail over to n2"), ("do=resync&node=n2", "Resync n2"),
    ("do=remove&node=n2", "Remove n2"), ("do=follow&node=n2", "Set the upstream of n2"), ("do=add-node", "Add a node"), ("do=flush&namespace=shop", "Flush shop"),
    ("do=nothing-known", None)])
def test_a_link_opens_a_change(page, link, title):
    found = page.execute_async_script("""
        const [link, done] = arguments;
        import("/page/changes.js").then(({ofLink}) => done({title: ofLink(link)?.title ?? null, link: ofLink(link)?.link}));
    """, link)
    assert found["title"] == title
    if title is not None:
        assert found["link"] == link


def test_what_a_node_has_of_the_catalog_is_never_guessed(page):
    now = 4_000_000_000_000
    primary = node("n1", "serving", observed_at="2096-10-02T07:06:39.500Z")

    def held(**changes):
        fresh = {"observed_at": "2096-10-02T07:06:39.500Z"} | changes
        return call(page, "tenants", "heldBy", node("n2", **fresh), primary, now)["word"]

    assert held() == "same"
    assert held(catalog={"namespaces": 18, "digest": "bb" * 16, "index": 119_002}) == "differs"
    assert held(catalog={"namespaces": 18, "digest": "bb" * 16, "index": 119_000}) == "as of 119,000"
    assert held(catalog=None) == "nothing yet"
    assert held(observed_at="2096-10-02T07:00:00.000Z") == "not heard"


@pytest.mark.parametrize("text, expected", [("plain", "'plain'"), ("it's $(rm)", "'it'\\''s $(rm)'"), ('{"a":"b"}', "'{\"a\":\"b\"}'")])
def test_a_command_is_quoted_for_the_shell(page, text, expected):
    assert call(page, "changes", "quoted", text) == expected


@pytest.mark.parametrize("change, expected", [
    ({"before": None, "after": {"name": "shop", "quota_keys": None}}, ["name shop"]),
    ({"before": {"quota_keys": None, "name": "shop"}, "after": {"quota_keys": 2, "name": "shop"}}, ["quota_keys none → 2"]),
    ({"before": {"name": "shop"}, "after": None}, ["name was shop"])])
def test_the_audit_says_what_was_changed(page, change, expected):
    assert call(page, "history", "changeTexts", change) == expected


def test_what_a_link_fills_in_is_filled_in(page):
    found = page.execute_async_script("""
        const [done] = arguments;
        import("/page/changes.js").then(({ofLink}) => done(ofLink("do=add-node&address=http%3A%2F%2Fn2%3A70&discard_data=true")
            .fields.map(({name, value}) => [name, value ?? null])));
    """)
    assert found == [["address", "http://n2:70"], ["upstream", None], ["discard_data", "true"]]


def test_a_link_that_fails_is_one_state_through_its_tries(page):
    def shown(state, failing, **changes):
        fresh = node("n2", observed_at="2096-10-02T07:06:39.500Z", **changes)
        fresh["running"] |= {"state": state, "failing": failing, "failing_since": "2096-10-02T07:06:00.000Z"}
        return call(page, "words", "stateOf", fresh, 4_000_000_000_000)["word"], call(page, "words", "sinceOf", fresh["running"])[11:19]

    assert [shown(state, "stalled")[0] for state in ("connecting", "handshake", "backoff")] == ["stalled"] * 3
    assert shown("connecting", "backoff") == ("cannot connect", "07:06:00")
    assert shown("full_sync", "stalled", full_sync={})[0] == "full sync stalled"
    assert shown("streaming", "stalled")[0] == "streaming"


def test_a_tree_in_a_circle_is_drawn_and_each_node_once(page):
    rows = [{"name": "a", "parent": "b"}, {"name": "b", "parent": "a"}, {"name": "c", "parent": None},
            {"name": "d", "parent": "c"}, {"name": "e", "parent": "d"}]
    drawn = call(page, "tree", "inOrder", rows)
    assert [(row["name"], row["depth"]) for row in drawn] == [("c", 0), ("d", 1), ("e", 2), ("a", 0), ("b", 1)]


def test_a_link_without_a_node_is_in_both_halves(page):
    link = {"source": "n1", "replica": "n9", "configured": False, "state": "streaming", "since": "2096-10-02T07:06:30.000Z"}
    sync = {"nodes": [node("n1", "serving", observed_at="2096-10-02T07:06:39.500Z")]}
    both = page.execute_async_script("""
        const [state, done] = arguments;
        import("/page/tree.js").then(tree => done(tree.halves(JSON.parse(state))));
    """, json.dumps({"sync": sync, "links": {"items": [link]}, "now": 4_000_000_000_000}))
    running = {row["name"]: row for row in both["running"]}
    configured = {row["name"]: row for row in both["configured"]}
    assert running["n9"]["parent"] == "n1" and running["n9"]["text"] == "link streaming for 10 s, not configured"
    assert configured["n9"]["text"] == "not in the topology"
    assert running["n9"]["mark"] and configured["n9"]["mark"]
