"""What is changed in a generated request before it is sent, each with its reason."""

import itertools
import os
import re
from urllib.parse import quote

import requests
import schemathesis

DURATION = re.compile(r"[0-9]{1,6}(ms|s|m)")
ADDRESS = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}")
PAGE_TOKEN = re.compile(r"[A-Za-z0-9_-]+")
IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}")
EVENT_ID = re.compile(r"[0-9a-f]{16}-[0-9]{1,18}")
ETAG = re.compile(r'"[!#-~]+"')
NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

# Of the request line and all headers together the server takes 256 KiB; a longer one is closed without an answer.
LONGEST_KEY_IN_A_PATH = 200_000

# Port 1 of this machine refuses at once.
NOWHERE = "http://127.0.0.1:1"

numbers = itertools.count()


def is_like(pattern, value):
    return isinstance(value, str) and pattern.fullmatch(value) is not None


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query if isinstance(case.query, dict) else {}
    # Waits may be long, and a default of 30 s is long too; what is malformed stays and must be refused.
    if {"wait", "acks", "acks_durable"} & query.keys():
        query.setdefault("timeout", "20ms")
    for name in {"timeout", "stable_for"} & query.keys():
        if is_like(DURATION, query[name]):
            query[name] = "20ms"
    # A token of a list is opaque: one that agrees with the pattern but was never given out is 400, rightly.
    if is_like(PAGE_TOKEN, query.get("page_token")):
        del query["page_token"]
    key = (case.path_parameters or {}).get("key")
    if isinstance(key, str) and len(quote(key, safe="")) > LONGEST_KEY_IN_A_PATH:
        case.path_parameters["key"] = key[:1000]
    # What is followed from answer to answer takes a DELETE with 200 for one that deleted, which a plan does not.
    if case.method.upper() == "DELETE" and case.meta and case.meta.phase.name == "stateful":
        query.pop("dry_run", None)
    # Whoever ends the token that all of this is sent with learns nothing from what follows.
    if (case.path_parameters or {}).get("id") == os.environ["CONVOY_CONTRACT_TOKEN_ID"]:
        case.path_parameters["id"] = "000000000000"
    # Of an array with one number only the number is sent, and held for valid.
    last_event = (case.headers or {}).get("Last-Event-ID")
    if last_event is not None and case.meta and case.meta.generation.mode.is_positive and not is_like(EVENT_ID, last_event):
        del case.headers["Last-Event-ID"]
    # A key that was used for something else is 422, rightly: short ones would be used again and again.
    if is_like(IDEMPOTENCY_KEY, (case.headers or {}).get("Idempotency-Key")):
        case.headers["Idempotency-Key"] = f"{case.headers['Idempotency-Key'][:200]}-{next(numbers)}"
    # A node's own limit and a claim take no key, as the introduction says: one that is malformed is not looked at.
    fields = case.body.keys() if isinstance(case.body, dict) else set()
    if case.operation.label == "PATCH /v1/nodes/{name}" and {"claim", "full_sync_max_bytes_per_second"} & fields:
        (case.headers or {}).pop("Idempotency-Key", None)
    # The document has no word for it, and still it is a condition that holds.
    if str((case.headers or {}).get("If-Match")).strip() == "*":
        case.headers["If-Match"] = '"*"'
    if case.meta and case.meta.phase.name == "stateful":
        use_names_once(case)
    use_current_etag(case)
    send_nowhere(case.body)


def use_names_once(case):
    """What follows takes whatever was made for there under its name, and whatever was deleted for gone, until it is made
    anew by a request for that very path: it knows of no other name, and of no list of them."""
    label, body = case.operation.label, case.body
    if not isinstance(body, dict):
        return
    if label == "PATCH /v1/namespaces/{ns}" and is_like(NAMESPACE, body.get("name")):
        del body["name"]
        if not body:
            body["read_only"] = False
    items = {"POST /v1/namespaces/batch": ("create", "name"), "POST /v1/namespaces/{ns}/batch": ("operations", "key")}
    place, member = items.get(label, (None, None))
    for item in body[place] if isinstance(body.get(place), list) else []:
        if isinstance(item, dict) and isinstance(item.get(member), str) and item[member]:
            item[member] = f"{item[member][:50]}-{next(numbers)}"


def use_current_etag(case):
    """With an invented ETag no topology would ever get past the precondition."""
    if case.operation.label != "PUT /v1/topology" or not is_like(ETAG, (case.headers or {}).get("If-Match")):
        return
    answer = requests.get(
        f"{case.operation.base_url}/v1/topology", timeout=60,
        headers={"Authorization": f"Bearer {os.environ['CONVOY_CONTRACT_TOKEN']}"})
    if "ETag" in answer.headers:
        case.headers["If-Match"] = answer.headers["ETag"]


def send_nowhere(body):
    """A random address could be a node of somebody else, which `discard_data` would then empty."""
    if isinstance(body, dict):
        for key, value in body.items():
            if key == "address" and is_like(ADDRESS, value):
                body[key] = NOWHERE
            else:
                send_nowhere(value)
    elif isinstance(body, list):
        for value in body:
            send_nowhere(value)
