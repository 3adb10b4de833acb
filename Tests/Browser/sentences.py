"""What the page says of a cluster, state by state: what is known, and the sentences, the worst first."""

NOW = 1_769_860_800_000  # 2026-01-31T12:00:00.000Z


def time(seconds_ago):
    minutes, seconds = divmod(12 * 3600 - seconds_ago, 60)
    return f"2026-01-31T{minutes // 60:02}:{minutes % 60:02}:{seconds:02}.000Z"


def node(name, state="streaming", *, since=3600, observed=0, lag=0.0, digest="aa", **changes):
    role = "primary" if state in ("serving", "unconfirmed", "handing_over") else "replica"
    upstream = None if role == "primary" else "n1"
    return {
        "name": name, "address": f"http://{name}:7070",
        "configured": {"role": role, "upstream": upstream, "generation": 2},
        "running": {"role": role, "upstream": upstream, "state": state, "since": time(since),
                    "generation": 2, "term": 1, "claim": None},
        "position": {"index": 1200, "hash": "0" * 32}, "durable_index": 1200,
        "lag": {"entries": int(lag * 100), "bytes": 0, "seconds": lag},
        "catalog": {"namespaces": 1, "digest": digest, "index": 1100},
        "full_sync": None, "last_error": None, "observed_at": time(observed), **changes,
    }


def view(*nodes, drift=(), sync=None, **changes):
    state = {
        "in_sync": True, "primary": "n1", "term": 1, "generation": 2, "converged": True, "writable": True,
        "position": {"index": 1200, "hash": "0" * 32}, "nodes": list(nodes), "observed_at": time(0),
    } | (sync or {})
    return {
        "now": NOW, "self": "n1", "sync": state, "drift": {"converged": not drift, "items": list(drift)},
        "lost": None, "refusal": None, "unauthorized": False, **changes,
    }


N1 = node("n1", "serving")
FULL_SYNC = {"stage": "fetch", "reason": "empty", "bytes_done": 450, "bytes_total": 1000, "files_done": 1,
             "files_total": 2, "bytes_per_second": 50.0, "eta_seconds": 11.2, "resumed_bytes": 0}
ALARM = {"code": "catalog-differs", "since": time(12), "detail": "the catalog of n2 is not that of n1",
         "next_step": "curl -X POST http://n1:7070/v1/nodes/n2/resync"}

SENTENCES = {
    "alone": (view(N1), [
        "All is well: n1 accepts writes. It has no replica, so its data is on this one node only."]),
    "in sync": (view(N1, node("n2"), node("n3")), [
        "All is well: n1 accepts writes and 2 of 2 replicas are in sync."]),
    "server lost": (view(N1, lost={"seconds": 4.2}), [
        "Lost contact with this node 4 s ago. What you see below is old."]),
    "server never reached": (view(N1, lost={"seconds": None}), [
        "This node does not answer: check that it runs; this page tries again each second."]),
    "token needed": (view(N1, unauthorized=True), [
        "Log in: this node tells its state to those with a token."]),
    "no primary": (view(N1, node("n2"), sync={"primary": None, "writable": False}), [
        "No node is primary, so nothing can be written: start the old primary again, or promote a replica."]),
    "not writable": (view(node("n1", "serving", since=90, last_error="the disk is nearly full."),
                          sync={"writable": False}), [
        "n1 is primary but does not accept writes for 1 min 30 s: the disk is nearly full."]),
    "detached": (view(node("n1", "detached", since=120), sync={"primary": None, "writable": False}), [
        "n1 has been detached for 2 min 0 s: it is not in the topology and follows nobody; add it again, or stop it."]),
    "primary silent": (
        view(node("n1", "serving", observed=40), node("n2", "backoff", since=38, last_error="connection refused"),
             self="n2", sync={"writable": False, "alarms": [
                 {"code": "primary-unreachable", "node": "n1", "since": time(38), "detail": "no answer", "next_step": "x"}]},
             drift=[{"kind": "missing-link", "node": "n2", "since": time(38), "detail": "no link with n1"},
                    {"kind": "node-unreachable", "node": "n1", "since": time(38), "detail": "silent"}]), [
            "Nothing can be written: the primary n1 has not been heard for 40 s: start it again, or have a replica "
            "take over.",
            "n2 cannot follow n1 for 38 s: connection refused; it tries again by itself."]),
    "detached, and the others unknown": (
        view(node("n1", "serving", observed_at=None), node("n2", "detached", since=9), self="n2",
             sync={"writable": False}), [
            "n2 has been detached for 9 s: it is not in the topology and follows nobody; add it again, or stop it."]),
    "a node that does not answer shows no old state": (view(N1, node("n2", observed=2, running=None)), [
        "n2 has not been heard for 2 s: check that it runs and can be reached at http://n2:7070."]),
    "a time within a sentence is an age": (view(N1, node("n2"), drift=[
        {"kind": "role-differs", "node": "n2", "since": time(8), "detail": f"n2 is primary since {time(65)}.",
         "action": "it is told each second."}]), [
        "For 8 s, what runs has differed from what is configured: n2 is primary for 1 min 5 s. "
        "It is told each second."]),
    "replica silent": (view(N1, node("n2", observed=73)), [
        "n2 has not been heard for 1 min 13 s: check that it runs and can be reached at http://n2:7070."]),
    "replica never heard": (view(N1, node("n2", observed_at=None)), [
        "n2 has not been heard yet: check that it runs and can be reached at http://n2:7070."]),
    "replica cannot connect": (view(N1, node("n2", "backoff", since=42, last_error="connection refused")), [
        "n2 cannot follow n1 for 42 s: connection refused; it tries again by itself."]),
    "replica stalled": (view(N1, node("n2", "stalled", since=15)), [
        "n2 has made no progress for 15 s: look at its log and at the way to n1."]),
    "full sync": (view(N1, node("n2", "full_sync", since=9, full_sync=FULL_SYNC)), [
        "n2 is in a full sync from n1: 45 % done, about 12 s left; nothing to do but wait."]),
    "catalog differs": (view(N1, node("n2", digest="bb")), [
        "n2 has other namespaces than n1 at entry 1,100: resync n2."]),
    "catalog alarm": (view(N1, node("n2", digest="bb", alarms=[ALARM]), drift=[
        {"kind": "catalog-differs", "node": "n2", "since": time(8), "detail": "Its digest differs."}],
        sync={"in_sync": False, "alarms": [{"node": "n2"} | ALARM]}), [
        "n2 has had another catalog than its primary for 12 s: the catalog of n2 is not that of n1. "
        "Next: curl -X POST http://n1:7070/v1/nodes/n2/resync"]),
    "position not retained": (view(N1, node("n2", observed=40), sync={"in_sync": False, "alarms": [{
        "code": "position-not-retained", "node": "n2", "since": time(30),
        "detail": "n2 stands at entry 20, and the log begins with entry 90: it needs a full sync",
        "next_step": "start n2 again, or mend the way to it: it takes a full sync by itself"}]}), [
        "n2 has been falling behind the log that is kept for it for 30 s: n2 stands at entry 20, and the log begins "
        "with entry 90: it needs a full sync. Next: start n2 again, or mend the way to it: it takes a full sync by "
        "itself",
        "n2 has not been heard for 40 s: check that it runs and can be reached at http://n2:7070."]),
    "drift": (view(N1, node("n2"), drift=[
        {"kind": "upstream-differs", "node": "n2", "since": time(8), "detail": "n2 follows n3, configured is n1.",
         "action": "The replica moves."}]), [
        "For 8 s, what runs has differed from what is configured: n2 follows n3, configured is n1. "
        "The replica moves."]),
    "lagging": (view(N1, node("n2", lag=12.4)), [
        "n2 is 12 s behind (1,240 entries): if it does not catch up, look at its disk and network."]),
    "a full sync does not hide a lost replica": (
        view(N1, node("n2", "full_sync", full_sync=FULL_SYNC), node("n3", observed=30)), [
            "n3 has not been heard for 30 s: check that it runs and can be reached at http://n3:7070.",
            "n2 is in a full sync from n1: 45 % done, about 12 s left; nothing to do but wait."]),
    "an old report blames nobody else": (view(N1, node("n2"), now=NOW + 14_000), [
        "n1 answers, but its report is 14 s old: it hangs; look at its log and disk. What you see below is old."]),
}
