"""Answers of a made-up cluster, for the page's stub: with times that are fresh whenever they are asked for."""

import math
import time
from datetime import datetime, timezone


def ago(seconds=0.0):
    at = datetime.fromtimestamp(time.time() - seconds, timezone.utc)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def node(name, state="streaming", since=3600, seen=0, lag=0.0, upstream="n1", **changes):
    role = "primary" if state == "serving" else "replica"
    upstream = None if role == "primary" else upstream
    return {
        "name": name, "address": f"http://{name}.example:7070",
        "configured": {"role": role, "upstream": upstream, "generation": 12},
        "running": {"role": role, "upstream": upstream, "state": state, "since": ago(since),
                    "attempt": 0, "failing": None, "failing_since": None, "generation": 12, "term": 3, "claim": None},
        "position": {"index": 120_000 + int(time.time() * 300) % 1_000_000, "hash": "9f" * 16}, "durable_index": 120_000,
        "lag": {"entries": int(lag * 1000), "bytes": 0, "seconds": lag},
        "catalog": {"namespaces": 18, "digest": "8f" * 16, "index": 119_002},
        "full_sync": None, "last_error": None, "alarms": [], "promotable": role == "replica",
        "namespaces_in_trouble": {"used_up": 0, "over_soft_quota": 0, "nearly_used_up": 0, "read_only": 0, "items": []},
        "observed_at": ago(seen), **changes,
    }


def item(level, code, text, node=None, namespace=None):
    return {"level": level, "code": code, "text": text, "node": node, "namespace": namespace, "since": None}


def sync(nodes, verdict=(), **changes):
    replicas = sum(node["configured"]["role"] == "replica" for node in nodes)
    well = item("ok", "well", f"All is well: n1 accepts writes and {replicas} of {replicas} replicas are in sync.")
    return {
        "verdict": list(verdict) or [well], "in_sync_replicas": replicas, "configured_replicas": replicas,
        "in_sync": True, "primary": "n1", "term": 3, "generation": 12, "converged": True, "writable": True,
        "write_obstacles": [], "position": {"index": 120_037, "hash": "9f" * 16},
        "log": {"first_index": 1, "last_index": 120_037, "bytes": 234_567_890},
        "loss_exposure": {"entries": 3, "bytes": 300, "seconds": 0.1, "candidate": "n2"},
        "alarms": [], "nodes": nodes, "observed_at": ago(), **changes,
    }


def trouble():
    """Something of everything that can be wrong."""
    moved = node("n4", upstream="n3")
    moved["configured"] = {"role": "replica", "upstream": "n2", "generation": 12}
    full_sync = {"stage": "fetch", "reason": "history-diverged", "bytes_done": 450e6, "bytes_total": 1e9, "files_done": 7,
                 "files_total": 12, "bytes_per_second": 45e6, "max_bytes_per_second": 50e6, "eta_seconds": 12.2,
                 "resumed_bytes": 0}
    troubled = {"used_up": 1, "over_soft_quota": 0, "nearly_used_up": 0, "read_only": 1, "items": [
        {"name": "tenant-000009", "trouble": ["quota-keys-used-up"], "since": ago(200), "keys": 10_000, "bytes": 5 * 10**6,
         "quota_keys": 10_000, "quota_bytes": None},
        {"name": "tenant-000007", "trouble": ["read-only"], "since": None, "keys": 12, "bytes": 40_000, "quota_keys": None,
         "quota_bytes": None}]}
    return sync([
        node("n1", "serving", namespaces_in_trouble=troubled),
        node("n2", "stalled", 75, last_error="stalled: nothing has come for 10 s.", namespaces_in_trouble=troubled),
        node("n3", seen=73), moved, node("n5", "full_sync", 9, full_sync=full_sync),
        node("n6", catalog={"namespaces": 17, "digest": "bb" * 16, "index": 119_002}, catalog_differences={
            "count": 1, "at_least": False, "items": [{"name": "tenant-000004", "difference": "missing"}]}),
    ], [
        item("bad", "catalog-differs", "n6 has other namespaces than n1 at entry 119,002: resync n6.", "n6"),
        item("bad", "stalled", "n2 has made no progress for 1 min 15 s: stalled: nothing has come for 10 s.", "n2"),
        item("bad", "unheard", "n3 has not been heard for 1 min 13 s: check that it runs and can be reached at http://n3.example:7070.", "n3"),
        item("warn", "quota-used-up", "tenant-000009 has been full for 3 min 20 s (10,000 of 10,000 keys): it refuses writes that need more, "
             "until keys are deleted or the quota is raised.", namespace="tenant-000009"),
        item("warn", "wrong-upstream", "For 8 s, what runs has differed from what is configured: n4 follows n3, configured is n2.", "n4"),
        item("info", "full-sync", "n5 has been in a full sync from n1 for 9 s: 45 % done, about 13 s left; nothing to do but wait.", "n5"),
    ], in_sync=False, converged=False, in_sync_replicas=1)


def many(count):
    """A large cluster, in three levels, with a stalled node and one that is not heard."""
    return sync([node("n1", "serving")] + [
        node(f"n{number}", "stalled" if number == 77 else "streaming", seen=30 if number == 150 else 0,
             upstream="n1" if number < 10 else f"n{number % 8 + 2}") for number in range(2, count + 1)], [
        item("bad", "stalled", "n77 has made no progress for 1 h 0 min: look at its log and at the way to n7.", "n77"),
        item("bad", "unheard", "n150 has not been heard for 30 s: check that it runs.", "n150")])


def namespaces(count):
    """A list of so many, page by page, as the API gives it."""
    def answer(query):
        start, size = int(query.get("page_token", 0)), int(query.get("page_size", 100))
        prefix = query.get("prefix", "")
        found = [number for number in range(count) if not prefix or f"tenant-{number:06}".startswith(prefix)]
        items = [{
            "name": f"tenant-{number:06}", "id": number, "keys": number * 931 % 10_007, "bytes": number * 54_321 % 90_000_000,
            "quota_keys": 10_000 if number % 1000 == 9 else None, "quota_bytes": None, "read_only": number == 7,
            "trouble": ["read-only"] if number == 7 else [], "created_at": ago(9999), "state": "active", "reads_per_second": number % 200 / 10,
            "writes_per_second": number % 90 / 10, "last_write_at": ago(number % 5000),
        } for number in found[start:start + size]]
        return {"items": items, "next_page_token": str(start + size) if start + size < len(found) else None}
    return answer


def measurements(_):
    places = range(360)
    return {
        "node": "n1", "interval_seconds": 10, "points_max": 360, "measured_at": [ago(10 * (359 - at)) for at in places],
        "reads_per_second": [800 + 300 * math.sin(at / 40) for at in places],
        "writes_per_second": [None] + [200 + 80 * math.sin(at / 23) for at in places[1:]],
        "lag_seconds": [0] * 360, "log_bytes": [10**8 + at * 400_000 for at in places],
        "headroom_seconds": [40_000 - at * 50 for at in places], "disk_free_bytes": [7 * 10**10 - at * 10**6 for at in places],
        "replica_lag_seconds": {"n2": [0.1] * 60, "n3": [2.0 if 20 < at < 30 else 0.2 for at in range(60)]},
        "observed_at": ago(),
    }


OPERATIONS = {"items": [
    {"id": "op_1", "type": "switchover", "state": "running", "node": "n5", "progress": {"done": 450, "total": 1000, "unit": "bytes"},
     "steps": [{"name": "append", "state": "succeeded", "started_at": ago(9), "deadline_at": None},
               {"name": "sync", "state": "running", "started_at": ago(8), "deadline_at": None}],
     "reason": None, "cancellable": True, "created_by": "token:abc", "created_at": ago(9), "finished_at": None, "result": None, "error": None},
    {"id": "op_0", "type": "switchover", "state": "failed", "node": "n2", "progress": None,
     "steps": [{"name": "catch-up", "state": "failed", "started_at": ago(900), "deadline_at": None}],
     "reason": "maintenance", "created_by": "token:abc", "created_at": ago(905), "finished_at": ago(900), "result": None,
     "error": {"code": "timeout", "detail": "n2 did not catch up in time."}},
], "next_page_token": None}


def document(generation, *replicas, **changes):
    names = ["n1", *(name for name, _ in replicas)]
    return {
        "generation": generation, "term": 3, "primary": "n1", "min_in_sync_replicas": 0, "reason": None,
        "replicas": [{"node": name, "upstream": upstream} for name, upstream in replicas],
        "nodes": [{"name": name, "number": place, "address": f"http://{name}.example:7070"} for place, name in enumerate(names, 1)],
        "changed_at": ago(60 * (20 - generation)), "changed_by": "anonymous from 127.0.0.1", **changes,
    }


HISTORY = {"items": [document(12, ("n2", "n1"), ("n3", "n2"), min_in_sync_replicas=1, reason="more copies"),
                     document(11, ("n2", "n1"), ("n3", "n1")), document(10, ("n2", "n1"))], "next_page_token": None}

EVENTS = {"items": [{"id": f"aa-{number}", "at": ago(100 - number), "kind": "node", "what": "state", "node": "n1", "subject": "n2",
                     "detail": f"n2 is stalled now, for the {number}th time.", "data": {}} for number in range(1, 9)],
          "next_page_token": None}
AUDIT = {"items": [{"number": 1, "index": 1, "when": ago(4000), "who": "token:abc", "from": "127.0.0.1", "what": "namespace.create",
                    "why": None, "changes": [{"subject": "namespace:t1", "before": None, "after": {}}], "changes_omitted": 0}],
         "next_page_token": None}


def kept_for_a_moment(make, seconds=0.4):
    """A large state is not made anew for each of the questions that are asked at once."""
    kept = {"until": 0.0, "value": None}

    def answer():
        if time.monotonic() > kept["until"]:
            kept.update(value=make(), until=time.monotonic() + seconds)
        return kept["value"]
    return answer


def answers_of(state, namespace_count=60):
    """What the page asks of a node, with `state` as its GET /v1/sync."""
    state = kept_for_a_moment(state)
    scopes = ["cluster:read", "topology:write", "topology:force", "namespaces:write", "tokens:admin"]
    drift = {"converged": False, "items": [{"kind": "upstream-differs", "node": "n4", "since": ago(8),
                                            "detail": "n4 follows n3, configured is n2.", "action": "The replica moves."}]}
    return {
        "/v1/sync": lambda _: state(), "/v1/links": {"items": []}, "/v1/nodes/self": lambda _: state()["nodes"][0],
        "/v1/topology/drift": lambda _: {"converged": True, "items": []} if state()["converged"] else drift,
        "/v1/whoami": {"kind": "anonymous", "scopes": scopes}, "/v1/namespaces": namespaces(namespace_count),
        "/v1/nodes/self/measurements": measurements, "/v1/operations": OPERATIONS, "/v1/topology/history": HISTORY,
        "/v1/audit": AUDIT, "/v1/events": EVENTS, "/version": {"version": "0.1.0"},
    }
