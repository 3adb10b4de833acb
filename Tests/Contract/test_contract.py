"""The OpenAPI document, and the server held against it.

CONVOY_BINARY            the built `convoy`; without it only the document itself is tested
CONVOY_CONTRACT_SECONDS  how long generated requests are sent (60)
CONVOY_CONTRACT_SEED     which requests are generated (1); a failure prints the seed and a curl command
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
import yaml
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import validate
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from running_node import ANSWER_SECONDS, BINARY, RunningNode

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "openapi" / "convoy.yaml"
SECONDS = int(os.environ.get("CONVOY_CONTRACT_SECONDS", "60"))
SEED = os.environ.get("CONVOY_CONTRACT_SEED", "1")

SCOPES = {
    "public", "any", "cluster:read", "topology:write", "topology:force", "namespaces:write", "tokens:admin",
    "namespace:info", "namespace:read", "namespace:write", "namespace:admin",
}
METHODS = {"get", "head", "put", "post", "patch", "delete"}

needs_server = pytest.mark.skipif(BINARY is None, reason="CONVOY_BINARY is not set")


@pytest.fixture(scope="module")
def document():
    return yaml.safe_load(DOCUMENT.read_text())


@pytest.fixture(scope="module")
def node():
    with RunningNode() as running:
        yield running


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield path, method, operation


def every_object(value):
    if isinstance(value, dict):
        yield value
        for child in value.values():
            yield from every_object(child)
    elif isinstance(value, list):
        for child in value:
            yield from every_object(child)


def test_the_document_is_valid_openapi(document):
    validate(document)


def test_every_operation_says_its_scope_and_its_errors(document):
    names = set()
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["x-convoy-scope"] in SCOPES, where
        assert operation["operationId"] not in names, where
        names.add(operation["operationId"])
        assert {"400", "403", "405", "500"} <= set(operation["responses"]), where
        is_public = operation["x-convoy-scope"] == "public"
        assert is_public == (operation.get("security") == []), where
        # The login is open to everyone, and refuses a wrong token all the same.
        assert is_public != ("401" in operation["responses"]) or operation["operationId"] == "logIn", where
        if "{" in path:
            assert "404" in operation["responses"], where


def test_request_bodies_know_all_their_fields(document):
    def check(schema, where):
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            return check(document["components"]["schemas"][name], f"{where} {name}")
        if schema.get("type") == "object":
            assert schema.get("additionalProperties") is False, where
        for child in [*schema.get("properties", {}).values(), *schema.get("oneOf", [])]:
            check(child, where)
        if "items" in schema:
            check(schema["items"], where)

    for path, method, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content:
            check(content["application/json"]["schema"], f"{method} {path}")


def test_every_example_agrees_with_its_schema(document):
    registry = Registry().with_resource("urn:convoy", DRAFT202012.create_resource(document))
    examples = [place for place in every_object(document) if "example" in place]
    assert len(examples) > 10
    for place in examples:
        # An example stands beside its schema (parameters, bodies) or inside it.
        schema = place.get("schema") or {key: value for key, value in place.items() if key != "example"}
        schema = json.loads(json.dumps(schema).replace('"#/', '"urn:convoy#/'))
        errors = list(OAS31Validator(schema, registry=registry).iter_errors(place["example"]))
        assert not errors, f"{place['example']}: {errors[0].message}"


@needs_server
def test_the_server_serves_the_document(node, document):
    answer = requests.get(f"{node.url}/openapi.json", timeout=ANSWER_SECONDS)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json() == document


@needs_server
def test_the_server_keeps_to_the_document_whatever_is_sent(node, tmp_path):
    # On an open node the first admin token that is made would shut everything else out.
    token = node.close_to_strangers()
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file", str(HERE / "schemathesis.toml"),
        "run", str(DOCUMENT), "--url", node.url,
        "--seed", SEED, "--max-time", str(SECONDS), "--no-color",
        "--header", f"Authorization: Bearer {token['token']}",
    ]
    environment = os.environ | {
        "CONVOY_CONTRACT_HOOKS": str(HERE / "contract_hooks.py"),
        "CONVOY_CONTRACT_TOKEN": token["token"], "CONVOY_CONTRACT_TOKEN_ID": token["id"],
    }
    print(f"CONVOY_CONTRACT_SEED={SEED} CONVOY_CONTRACT_SECONDS={SECONDS}")
    # It ends by itself; the rest is for its start, a request that is under way and the report. It leaves files where it runs.
    run = subprocess.run(
        command, cwd=tmp_path, env=environment, text=True, timeout=SECONDS + 600, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(run.stdout)
    assert node.is_running(), f"the server died\n{node.log_tail()}"
    # Its loops may have been held up just now.
    deadline = time.monotonic() + ANSWER_SECONDS
    while (alive := requests.get(f"{node.url}/livez", timeout=ANSWER_SECONDS)).status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert alive.status_code == 200, alive.text
    assert run.returncode == 0, f"seed {SEED}: see the report above"
