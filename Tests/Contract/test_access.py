"""Every operation of the OpenAPI document, asked with every kind of credential: who comes in, and what the others are told."""

import hashlib
import time

import pytest
import requests
import yaml
from requests.adapters import HTTPAdapter

from running_node import ANSWER_SECONDS, RunningNode
from test_contract import DOCUMENT, needs_server, operations

ADMIN_SCOPES = ["cluster:read", "topology:write", "topology:force", "namespaces:write", "tokens:admin"]
NAMESPACE_SCOPES = ["read", "write", "admin"]

# As the document's description says it: scope → (any of these of an admin token, this of a namespace token).
ANY = ""
NEEDED = {
    "any": ([ANY], ANY),
    "namespace:info": (["cluster:read", "namespaces:write"], ANY),
    "namespace:read": (["namespaces:write"], "read"),
    "namespace:write": (["namespaces:write"], "write"),
    "namespace:admin": (["namespaces:write"], "admin"),
} | {scope: ([scope], None) for scope in ADMIN_SCOPES}

# Parameters for which an operation that is let in does no harm to those that follow.
PARAMETERS = {"key": "some-key", "name": "nobody", "kind": "primary", "id": "000000000000", "generation": "1", "file": "status.js"}

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class From(HTTPAdapter):
    """Each credential comes from an address of its own: too many wrong ones of one address are 429."""

    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *args, **keywords):
        super().init_poolmanager(*args, source_address=(self.address, 0), **keywords)


class Credential:
    count = 1

    def __init__(self, what, token=None, kind=None, scopes=(), is_good=True):
        Credential.count += 1
        self.what, self.kind, self.scopes, self.is_good = what, kind, set(scopes), is_good
        self.session = requests.Session()
        self.session.mount("http://", From(f"127.0.0.{Credential.count}"))
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def ask(self, node, method, path):
        return self.session.request(method.upper(), node.url + path, timeout=ANSWER_SECONDS, allow_redirects=False)


def forged(lookup_id, kind):
    """A token with the right checksum, and a secret that nobody has given out."""
    body = f"cvy_{kind}_{lookup_id}_{'0' * 43}"
    number = int.from_bytes(hashlib.sha256(body.encode()).digest()[:5], "big")
    digits = ""
    for _ in range(6):
        digits += BASE62[number % 62]
        number //= 62
    return body + digits


def path_of(template, namespace):
    path = template.replace("{ns}", namespace)
    for name, value in PARAMETERS.items():
        path = path.replace("{%s}" % name, value)
    assert "{" not in path, f"{template}: give its parameter a value above"
    return path


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(DOCUMENT.read_text())


@pytest.fixture(scope="module")
def node():
    with RunningNode() as running:
        yield running


@pytest.fixture(scope="module")
def admin(node):
    for name in ["mine", "others"]:
        made = requests.post(f"{node.url}/v1/namespaces", json={"name": name}, timeout=ANSWER_SECONDS)
        assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {node.close_to_strangers()['token']}"}


@pytest.fixture(scope="module")
def credentials(node, admin):
    def make(path, scopes, **more):
        made = requests.post(f"{node.url}{path}", json={"scopes": scopes, **more}, headers=admin, timeout=ANSWER_SECONDS)
        assert made.status_code == 201, made.text
        return made.json()

    mine, others, cluster = "/v1/namespaces/mine/tokens", "/v1/namespaces/others/tokens", "/v1/tokens"
    known = [make(mine, ["read"])["id"], make(cluster, ["cluster:read"])["id"]]
    expired = [make(path, scopes, expires_in_seconds=1)
               for path, scopes in [(mine, NAMESPACE_SCOPES), (cluster, ADMIN_SCOPES)]]
    revoked = []
    for path, scopes in [(mine, NAMESPACE_SCOPES), (cluster, ADMIN_SCOPES)]:
        token = make(path, scopes)
        ended = requests.delete(f"{node.url}{path}/{token['id']}", headers=admin, timeout=ANSWER_SECONDS)
        assert ended.status_code == 200, ended.text
        revoked.append(token)
    good = [Credential("every scope of another namespace", make(others, NAMESPACE_SCOPES)["token"], "other", NAMESPACE_SCOPES)]
    for scope in NAMESPACE_SCOPES:
        good.append(Credential(f"{scope} of the namespace", make(mine, [scope])["token"], "mine", [scope]))
    for scope in ADMIN_SCOPES:
        good.append(Credential(f"admin with {scope}", make(cluster, [scope])["token"], "admin", [scope]))
    bad = [Credential("none"), Credential("nonsense", "nonsense"),
           Credential("an id that there is not", forged("0" * 12, "ad")),
           Credential("a wrong secret of a namespace", forged(known[0], "ns")),
           Credential("a wrong secret of an admin", forged(known[1], "ad")),
           Credential("the id of an admin as a namespace's", forged(known[1], "ns"))]
    bad += [Credential("expired", token["token"]) for token in expired]
    bad += [Credential("revoked", token["token"]) for token in revoked]
    for credential in bad:
        credential.is_good = False
    time.sleep(1.2)
    return good + bad


def expected(credential, scope, has_namespace):
    """None for whoever comes in, else the status and the scope that is named."""
    if scope == "public":
        return None
    if not credential.is_good:
        return 401, None
    of_admin, of_namespace = NEEDED[scope]
    if credential.kind == "admin":
        is_enough = ANY in of_admin or credential.scopes & set(of_admin)
        return None if is_enough else (403, of_admin[0])
    if has_namespace and credential.kind == "other":
        return 404, None
    if of_namespace is None:
        return 403, scope
    return None if of_namespace == ANY or of_namespace in credential.scopes else (403, of_namespace)


def refusal(answer, method):
    """What the gate has answered; None when the request came in, whatever became of it then."""
    if method == "head":
        return (answer.status_code, None) if answer.status_code in (401, 403) else None
    is_json = answer.headers.get("Content-Type", "") in ("application/json", "application/problem+json")
    body = answer.json() if is_json else {}
    if answer.status_code == 404 and body.get("detail") == "There is no such namespace.":
        return 404, None
    if body.get("code") in ("unauthorized", "forbidden"):
        return answer.status_code, body.get("scope")
    return None


@needs_server
def test_every_operation_lets_in_whom_the_document_says(node, document, credentials):
    wrong = []
    asked = 0
    for template, method, operation in operations(document):
        for credential in credentials:
            # An admin asks for a namespace that cannot be deleted.
            namespace = "default" if credential.kind == "admin" else "mine"
            answer = credential.ask(node, method, path_of(template, namespace))
            wanted = expected(credential, operation["x-convoy-scope"], "{ns}" in template)
            found = refusal(answer, method)
            if method == "head" and wanted is not None:
                wanted = (wanted[0], None)
                found = (answer.status_code, None)
            asked += 1
            if found != wanted:
                wrong.append(f"{method} {template} with {credential.what}: {found} instead of {wanted}: {answer.text[:200]}")
    assert asked > 700
    assert not wrong, "\n".join(wrong)


@needs_server
def test_another_namespace_looks_as_one_that_there_is_not(node, document, credentials):
    other = next(credential for credential in credentials if credential.kind == "mine")
    for template, method, _ in operations(document):
        if "{ns}" not in template or method == "head":
            continue
        seen = []
        for namespace in ["others", "nowhere"]:
            body = other.ask(node, method, path_of(template, namespace)).json()
            del body["request_id"]
            seen.append(body)
        assert seen[0] == seen[1], f"{method} {template}"
        assert seen[0]["status"] == 404, f"{method} {template}"


@needs_server
def test_without_an_admin_token_this_machine_may_do_everything(document):
    with RunningNode() as node:
        nobody = Credential("none")
        for template, method, operation in operations(document):
            answer = nobody.ask(node, method, path_of(template, "default"))
            assert refusal(answer, method) is None, f"{method} {template}: {answer.text}"
