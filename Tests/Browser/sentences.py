"""What the page says at its top, state by state: what is known, and what it makes of it, the worst first.

What is wrong in the cluster the server says (VerdictTests.swift); the page adds what only it can know.
"""

NOW = 1_769_860_800_000  # 2026-01-31T12:00:00.000Z


def time(seconds_ago):
    minutes, seconds = divmod(12 * 3600 - seconds_ago, 60)
    return f"2026-01-31T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.000Z"


def node(name, index=1200, **changes):
    return {"name": name, "configured": {"role": "replica", "upstream": "n1"}, "running": {"role": "replica"},
            "promotable": True, "position": {"index": index}, "observed_at": time(0), **changes}


def item(code, text, level="bad", node=None, namespace=None):
    return {"level": level, "code": code, "text": text, "node": node, "namespace": namespace, "since": None}


def view(*verdict, nodes=(), **changes):
    return {"now": NOW, "self": "n1", "sync": {"verdict": list(verdict), "nodes": list(nodes), "observed_at": time(0)},
            "reportAge": 0.2, "rereading": None, "lost": None, "refusal": None, "unauthorized": False, **changes}


WELL = item("well", "All is well.", "ok")
SILENT = item("primary-silent", "Nothing can be written.", node="n1")

# The view, the sentences, and where the first of them leads.
SENTENCES = {
    "all is well": (view(WELL), ["All is well."], None),
    "server lost": (view(WELL, lost={"seconds": 4.2}), [
        "Lost contact with n1 4 s ago: check that it runs; this page tries again each second. What you see below is old."], None),
    "server lost, others known": (
        view(WELL, nodes=[node("n1"), node("n2", observed_at=time(60)), node("n3", address="http://n3:7070")], lost={"seconds": 4.2}), [
            "Lost contact with n1 4 s ago: check that it runs; this page tries again each second. What you see below is old."],
        "http://n3:7070/"),
    "server never reached": (view(WELL, lost={"seconds": None}), [
        "This node does not answer: check that it runs; this page tries again each second."], None),
    "token needed": (view(WELL, unauthorized=True), ["Log in: this node tells its state to those with a token."], None),
    "refused": (view(WELL, refusal="It is busy."), ["This node answers, but not with its state: It is busy."], None),
    "an old report blames nobody else": (view(WELL, now=NOW + 14_000, reportAge=14.2), [
        "n1 answers, but its report is 14 s old: it hangs; look at its log and disk. What you see below is old."], None),
    "what was not read for long blames nobody": (view(WELL, now=NOW + 60_000, rereading={"seconds": 60.3}), [
        "Reading the state again: what you see below is 1 min 0 s old."], None),
    "what the server says comes as it says it": (
        view(item("stalled", "n2 stalls.", node="n2"), item("full-sync", "n3 syncs.", "info", node="n3")),
        ["n2 stalls.", "n3 syncs."], "#node-n2"),
    "a silent primary leads to who has most of its data": (
        view(SILENT, nodes=[node("n2", 1100), node("n3"), node("n4", 1300, promotable=False)]),
        ["Nothing can be written."], "#do=fail-over&node=n3"),
    "of equals the one that is asked takes over": (
        view(SILENT, nodes=[node("n2"), node("n3"), node("n4")], self="n3"), ["Nothing can be written."], "#do=fail-over&node=n3"),
    "a claim leads to its end": (view(item("claim", "n2 claims.", "warn", node="n2")), ["n2 claims."], "#do=follow&node=n2"),
    "nobody can take over": (view(SILENT, nodes=[node("n2", observed_at=time(60))]), ["Nothing can be written."], "#nodes-title"),
    "a catalog that differs leads to a resync": (
        view(item("catalog-differs", "n2 differs.", node="n2")), ["n2 differs."], "#do=resync&node=n2"),
    "what differs is drawn": (view(item("orphan-link", "n2 follows n9.", "warn", node="n2")), ["n2 follows n9."], "#shape-title"),
    "a full namespace is found": (
        view(item("quota-used-up", "shop is full.", "warn", namespace="shop")), ["shop is full."], "#find=shop"),
    "a node alone wants another": (view(item("alone", "All is well. No replica.", "ok")), ["All is well. No replica."], "#do=add-node"),
}
