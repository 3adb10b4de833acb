"""Two tenants, and every operation of the OpenAPI document: neither sees, counts, changes or infers what the other has.

Requests are made up from the document, at random (CONVOY_CONTRACT_SEED), and sent with one tenant's token about the
other's namespace and about one that there is not. The answers must be the same, but for the request's id and the name
that was asked for, and take the same time; nothing of the other tenant may stand in any of them; and in the end the
other has what it had. On the primary and on a replica.
"""

import base64
import json
import random
import re
import statistics
import time
from urllib.parse import quote

import pytest
import requests
import yaml

from running_node import ANSWER_SECONDS, RunningNode
from test_contract import DOCUMENT, SEED, needs_server, operations

# As long as each other, so that even lengths can be compared.
MINE, THEIRS, ABSENT = "tenant-a", "tenant-b", "tenant-c"
# In every key and value of theirs.
MARK = "q7Zr4kWm"
KEYS = 5_000
ROUNDS = 4
# Of an answer's headers these differ between any two.
OWN_HEADERS = {"Date", "Convoy-Request-Id"}

TIMED = 250
TIMED_TRIES = 12


class Tenants:
    """A primary, a replica, two namespaces, and the token of one of them."""

    def __init__(self, nodes):
        self.nodes = nodes
        self.anybody = requests.Session()
        tokens = {}
        for name in [MINE, THEIRS]:
            made = self.ask("POST", "/v1/namespaces", json={"name": name})
            tokens[name] = made.json()["token"]
            more = self.ask("POST", f"/v1/namespaces/{name}/tokens", json={"scopes": ["read", "write", "admin"]})
            tokens[name, "id"] = more.json()["id"]
            tokens[name, "all"] = more.json()["token"]
        self.their_token_id, self.my_token_id = tokens[THEIRS, "id"], tokens[MINE, "id"]
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {tokens[MINE, 'all']}"
        lines = "".join(json.dumps({"key": f"{MARK}-{n}", "value": f"{MARK} {n}"}) + "\n" for n in range(KEYS))
        self.ask("POST", f"/v1/namespaces/{THEIRS}/import", data=lines.encode())
        self.ask("POST", f"/v1/namespaces/{MINE}/import", data=b'{"key":"own","value":"1"}\n')
        # In sync is also who is almost there.
        index = self.ask("POST", "/v1/barriers").json()["position"]["index"]
        self.ask("GET", f"/v1/nodes/self?wait=applied:{index}&timeout=120s", 1)
        self.ask("GET", "/v1/sync?wait=in_sync&timeout=120s")

    def ask(self, method, path, node=0, **more):
        answer = self.anybody.request(method, self.nodes[node].url + path, timeout=180, **more)
        assert answer.status_code < 300, answer.text
        return answer

    def state_of_theirs(self, node):
        namespace = self.ask("GET", f"/v1/namespaces/{THEIRS}", node).json()
        tokens = self.ask("GET", f"/v1/namespaces/{THEIRS}/tokens", node).json()
        export = self.ask("GET", f"/v1/namespaces/{THEIRS}/export", node).text
        facts = ["name", "id", "keys", "bytes", "quota_keys", "quota_bytes", "read_only"]
        return ([namespace[fact] for fact in facts], [token["id"] for token in tokens["items"]],
                export.split("\n", 1)[1])


@pytest.fixture(scope="module")
def tenants():
    with RunningNode("n1") as first, RunningNode("n2") as second:
        taken = first.add(second)
        done = requests.get(f"{first.url}/v1/operations/{taken['id']}?wait=done&timeout=120s", timeout=180)
        assert done.status_code == 200, done.text
        yield Tenants([first, second])


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(DOCUMENT.read_text())


class Maker:
    """Makes requests up, valid ones mostly, out of the document."""

    def __init__(self, document, tenants, seed):
        self.document, self.tenants, self.random = document, tenants, random.Random(seed)

    def resolved(self, thing):
        while "$ref" in thing:
            place = self.document
            for name in thing["$ref"].removeprefix("#/").split("/"):
                place = place[name]
            thing = place
        return thing

    def value(self, schema, name=""):
        schema = self.resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        for kind in ("oneOf", "anyOf"):
            if kind in schema:
                return self.value(self.random.choice(schema[kind]), name)
        if "allOf" in schema:
            return self.value(schema["allOf"][0], name)
        type_ = schema.get("type", "string")
        if isinstance(type_, list):
            type_ = self.random.choice(type_)
        if type_ == "object":
            members = schema.get("properties", {})
            chosen = [n for n in members if n in schema.get("required", []) or self.random.random() < 0.4]
            return {n: self.value(members[n], n) for n in chosen}
        if type_ == "array":
            return [self.value(schema.get("items", {}), name) for _ in range(max(1, schema.get("minItems", 1)))]
        if type_ == "integer":
            return max(schema.get("minimum", 0), self.random.choice([0, 1, 2, 100]))
        if type_ == "boolean":
            return self.random.random() < 0.5
        if type_ == "null":
            return None
        if name.endswith("base64"):
            return base64.b64encode(f"{MARK}-1".encode()).decode()
        if name in ("timeout", "stable_for"):
            return "20ms"
        if name == "name":
            return THEIRS
        return self.random.choice([f"{MARK}-{self.random.randrange(KEYS)}", "x", MARK])

    def request(self, item, operation):
        """The parameters, headers and body of one request; the path is the caller's."""
        query, headers = {}, {}
        for parameter in item.get("parameters", []) + operation.get("parameters", []):
            parameter = self.resolved(parameter)
            if self.random.random() < 0.5 or parameter["name"] in ("wait", "redirect", "dry_run"):
                continue
            value = self.value(parameter.get("schema", {}), parameter["name"])
            text = str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)
            if parameter["in"] == "query":
                query[parameter["name"]] = text
            elif parameter["in"] == "header":
                headers[parameter["name"]] = text
        body = None
        content = self.resolved(operation.get("requestBody", {})).get("content", {})
        if "application/json" in content:
            media = content["application/json"]
            use_example = "example" in media and self.random.random() < 0.5
            body = json.dumps(media["example"] if use_example else self.value(media["schema"])).encode()
            headers["Content-Type"] = "application/json"
        elif content:
            body = self.random.choice(
                [b"", MARK.encode(), b'{"key":"own","value":"2"}\n', self.random.randbytes(300)])
        if self.random.random() < 0.3:
            headers["Accept"] = self.random.choice(["application/octet-stream", "text/event-stream", "*/*"])
        return query, headers, body

    def path(self, template, namespace):
        path = template.replace("{ns}", namespace)
        token = self.random.choice([self.tenants.their_token_id, "000000000000"])
        values = {"key": f"{MARK}-{self.random.randrange(KEYS)}", "id": token, "name": "n1",
                  "generation": "1", "kind": "primary", "file": "status.js"}
        return re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), path)


def shape(answer, name):
    """All of an answer that may tell something, with the name that was asked for masked."""
    headers = {key: value.replace(name, "NAME") for key, value in answer.headers.items() if key not in OWN_HEADERS}
    body = re.sub(r'"request_id":"[0-9a-f]+"', "", answer.text.replace(name, "NAME"))
    return answer.status_code, headers, body


def exported(session, address):
    """Without the first line, which says again what was asked for."""
    deadline = time.monotonic() + ANSWER_SECONDS
    # Three at once: the place of one that was read may be given back a moment after that.
    while (answer := session.get(address, timeout=ANSWER_SECONDS)).status_code == 429 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert answer.status_code == 200, answer.text
    return answer.text.split("\n", 1)[1]


def operations_with_items(document):
    for template, method, operation in operations(document):
        yield template, method, document["paths"][template], operation


@needs_server
@pytest.mark.parametrize("place", [0, 1], ids=["primary", "replica"])
def test_a_tenant_learns_nothing_of_another_from_any_operation(tenants, document, place):
    print(f"CONVOY_CONTRACT_SEED={SEED}")
    maker = Maker(document, tenants, f"{SEED}-{place}")
    before = tenants.state_of_theirs(place)
    url = tenants.nodes[place].url
    wrong, compared = [], 0

    def send(method, path, query, headers, body):
        answer = tenants.session.request(
            method.upper(), url + path, params=query, headers=headers, data=body, timeout=ANSWER_SECONDS, allow_redirects=False)
        if MARK in answer.text.replace(str(query), "") and MARK not in path + str(query) + str(body):
            wrong.append(f"{method} {path} tells what is theirs: {answer.text[:300]}")
        return answer

    for _ in range(ROUNDS):
        for template, method, item, operation in operations_with_items(document):
            query, headers, body = maker.request(item, operation)
            if "{ns}" not in template:
                # A name of theirs in a query or body brings nothing of theirs either.
                send(method, maker.path(template, ""), query, headers, body)
                continue
            state = maker.random.getstate()
            answers = []
            for name in [THEIRS, ABSENT]:
                maker.random.setstate(state)
                answers.append(shape(send(method, maker.path(template, name), query, headers, body), name))
            compared += 1
            if answers[0] != answers[1] or answers[0][0] not in (404, 405):
                wrong.append(f"{method} {template} {query} {headers}: {answers[0]} is not {answers[1]}")
    assert compared > 50
    assert not wrong, "\n".join(wrong)
    assert tenants.state_of_theirs(place) == before


@needs_server
def test_the_id_of_their_token_is_one_that_there_is_not(tenants):
    url = f"{tenants.nodes[0].url}/v1/namespaces/{MINE}/tokens/"
    for method, path in [("DELETE", "{id}"), ("POST", "{id}/rotate")]:
        seen = []
        for token in [tenants.their_token_id, "000000000000"]:
            answer = tenants.session.request(method, url + path.replace("{id}", token), json={"grace_seconds": 0} if "rotate" in path else None)
            seen.append(shape(answer, token))
        assert seen[0] == seen[1], f"{method} {path}"
        assert seen[0][0] == 404


@needs_server
def test_own_operations_count_and_list_what_is_own(tenants):
    for node in tenants.nodes:
        base = f"{node.url}/v1/namespaces"
        assert [item["name"] for item in tenants.session.get(base).json()["items"]] == [MINE]
        for prefix in ["", MARK, "t", THEIRS]:
            assert MARK not in tenants.session.get(f"{base}/{MINE}/keys?prefix={prefix}").text
            assert MARK not in exported(tenants.session, f"{base}/{MINE}/export?prefix={prefix}")
            assert THEIRS not in tenants.session.get(f"{base}?prefix={prefix}").text
        keys = {"keys": [{"key": f"{MARK}-1"}, {"key": "own"}]}
        items = tenants.session.post(f"{base}/{MINE}/get", json=keys).json()["items"]
        assert items[0] == {"key": f"{MARK}-1", "absent": True}
        for token in ["", "after=%00", f"after={MARK}-1"]:
            assert MARK not in exported(tenants.session, f"{base}/{MINE}/export?{token}")


@needs_server
@pytest.mark.parametrize("place", [0, 1], ids=["primary", "replica"])
def test_not_yours_takes_as_long_as_absent(tenants, place):
    """Medians of requests in turns. On a busy machine they are of more and more of them; a difference stays in those, too."""
    session, url = tenants.session, tenants.nodes[place].url
    asked = [
        ("GET", "", None), ("GET", "/keys", None), ("GET", f"/keys/{MARK}-1", None), ("GET", "/export", None),
        ("GET", "/tokens", None), ("GET", "/imports", None),
        ("POST", "/get", {"keys": [{"key": f"{MARK}-{n}"} for n in range(50)]}),
        ("POST", "/batch", {"operations": [{"op": "incr", "key": f"{MARK}-1"}]}),
        ("POST", "/flush", None), ("DELETE", f"/keys/{MARK}-1", None),
    ]
    for method, path, body in asked:
        took = {THEIRS: [], ABSENT: []}
        for left in reversed(range(TIMED_TRIES)):
            for turn in range(TIMED):
                for name in [THEIRS, ABSENT] if turn % 2 else [ABSENT, THEIRS]:
                    began = time.perf_counter()
                    answer = session.request(method, f"{url}/v1/namespaces/{name}{path}", json=body, timeout=ANSWER_SECONDS)
                    took[name].append(time.perf_counter() - began)
                    assert answer.status_code == 404, answer.text
            theirs, absent = (statistics.median(took[name]) for name in [THEIRS, ABSENT])
            if abs(theirs - absent) <= max(0.1 * absent, 0.000_1):
                break
            assert left, f"{method} {path}: theirs {theirs * 1e6:.0f} µs, absent {absent * 1e6:.0f} µs"
