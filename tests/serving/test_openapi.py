"""The OpenAPI document: every field told of and bounded, every example true."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from serving.errors import TABLE
from serving.openapi import openapi, path_example
from serving.operations import OPERATIONS
from tests.serving.conftest import Server

DOCUMENT = openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS_IN_IT = [(path, method, row) for path, methods in DOCUMENT["paths"].items() for method, row in methods.items()]
CONTENTS = [
    (f"{method} {path} {status}", answer["content"]["application/json"])
    for path, method, row in OPERATIONS_IN_IT
    for status, answer in {"request": row.get("requestBody", {}), **row["responses"]}.items()
    if "application/json" in answer.get("content", {})
]


def fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every property of every model, and every parameter."""
    for model, schema in SCHEMAS.items():
        for name, field in schema.get("properties", {}).items():
            yield f"{model}.{name}", field
    for path, _, row in OPERATIONS_IN_IT:
        for parameter in row.get("parameters", []):
            yield f"{path} {parameter['name']}", parameter["schema"] | {"description": parameter.get("description")}


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and whatever it is made of, short of references."""
    yield schema
    inner = [*schema.get("anyOf", []), *schema.get("allOf", []), *schema.get("prefixItems", [])]
    inner += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    for part in inner:
        yield from parts(part)


def reachable(schema: Any, found: set[str]) -> set[str]:
    """The models that a schema leads to."""
    if isinstance(schema, dict):
        name = str(schema.get("$ref", "")).rpartition("/")[2]
        if name and name not in found:
            found.add(name)
            reachable(SCHEMAS[name], found)
        for part in schema.values():
            reachable(part, found)
    elif isinstance(schema, list):
        for part in schema:
            reachable(part, found)
    return found


INCOMING: set[str] = set()
for _, _, _row in OPERATIONS_IN_IT:
    reachable(_row.get("requestBody", {}), INCOMING)


def test_every_model_and_operation_is_described() -> None:
    assert [name for name, schema in SCHEMAS.items() if not schema.get("description")] == []
    assert [(path, method) for path, method, row in OPERATIONS_IN_IT if not row.get("summary")] == []


def test_every_field_is_described_or_is_a_model() -> None:
    def is_model(field: dict[str, Any]) -> bool:
        return any("$ref" in part for part in (field, *field.get("anyOf", [])))

    assert [name for name, field in fields() if not field.get("description") and not is_model(field)] == []


def test_every_number_has_its_range() -> None:
    numbers = [(name, part) for name, field in fields() for part in parts(field) if part.get("type") in ("integer", "number")]
    low, high = ("minimum", "exclusiveMinimum", "const", "enum"), ("maximum", "exclusiveMaximum", "const", "enum")
    assert len(numbers) > 20
    assert [name for name, part in numbers if not (set(low) & set(part) and set(high) & set(part))] == []


def test_what_comes_in_is_bounded() -> None:
    unbounded = []
    for name, field in fields():
        if name.partition(".")[0] not in INCOMING and " " not in name:
            continue
        for part in parts(field):
            limit = {"string": "maxLength", "array": "maxItems"}.get(part.get("type", ""))
            if limit and not {limit, "enum", "const", "format"} & set(part):
                unbounded.append(name)
    assert unbounded == []


@pytest.mark.parametrize(("name", "content"), CONTENTS, ids=[name for name, _ in CONTENTS])
def test_examples_are_there_and_valid(name: str, content: dict[str, Any]) -> None:
    assert content.get("example"), f"{name} has no example; `python -m serving.openapi URL` records those of answers"
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(content["example"])


def test_examples_of_errors_are_those_of_the_table() -> None:
    known = {(str(row.status), row.name) for row in TABLE.values()}
    for name, content in CONTENTS:
        status = name.rpartition(" ")[2]
        if status.isdigit() and status != "200":
            assert (status, content["example"]["error"]["type"]) in known, name


@pytest.mark.parametrize(("status", "body"), [(400, b""), (413, '{"text": "%s"}' % ("退" * 2001)), (422, b"{}")])
def test_examples_of_errors_are_real(server: Server, status: int, body: bytes | str) -> None:
    answer = server.client.post("/model/parse", content=body)
    shown = DOCUMENT["paths"]["/model/parse"]["post"]["responses"][str(status)]["content"]["application/json"]["example"]
    assert answer.status_code == status and answer.json() == shown


@pytest.mark.parametrize("operation", OPERATIONS, ids=[operation.name for operation in OPERATIONS])
def test_answers_are_as_documented(server: Server, operation: Any) -> None:
    body = operation.example if operation.request else None
    answer = server.client.request(operation.method, path_example(operation), json=body)
    assert answer.status_code < 500
    row = DOCUMENT["paths"][operation.path][operation.method.lower()]["responses"][str(answer.status_code)]
    if "content" in row:
        schema = {**row["content"]["application/json"]["schema"], "components": DOCUMENT["components"]}
        Draft202012Validator(schema).validate(answer.json())
