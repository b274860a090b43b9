"""What was released stays: changes to the HTTP interface only add. And the comparison that watches over it sees what it must."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from serving.openapi import openapi
from tests.serving.conftest import ROOT
from tests.serving.contract import breaking_changes

Json = dict[str, Any]
RELEASED = max(
    (ROOT / "tests" / "golden").glob("openapi-*.json"),
    key=lambda path: [int(part) for part in path.stem.removeprefix("openapi-").split(".")],
)


def test_nothing_released_is_taken_back() -> None:
    released, now = json.loads(RELEASED.read_text(encoding="utf-8")), openapi()
    assert breaking_changes(released, now) == []


def test_the_version_tells_that_something_was_added() -> None:
    released, now = json.loads(RELEASED.read_text(encoding="utf-8")), openapi()
    (old_major, old_minor), (major, minor) = (map(int, doc["info"]["version"].split(".")) for doc in (released, now))
    assert major == old_major
    if shape(now) != shape(released):
        assert minor == old_minor + 1, "the interface differs from the released one; raise SCHEMA_VERSION by one minor"


def shape(document: Any) -> Any:
    """A document without what is only told to people."""
    if isinstance(document, dict):
        return {
            key: sorted(value) if key == "required" and isinstance(value, list) else shape(value)
            for key, value in document.items()
            if key not in ("example", "examples", "info")
            and not (key in ("description", "summary", "title") and isinstance(value, str))
        }
    return [shape(part) for part in document] if isinstance(document, list) else document


SMALL: Json = {
    "paths": {"/chat": {"post": {
        "parameters": [{"in": "query", "name": "page", "schema": {"type": "integer", "maximum": 9}}],
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/In"}}}},
        "responses": {"200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Out"}}}}},
    }}},
    "components": {"schemas": {
        "In": {"type": "object", "required": ["text"], "properties": {
            "text": {"type": "string", "maxLength": 20},
            "count": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]},
            "tier": {"enum": ["gold", "silver"], "type": "string"},
            "turns": {"type": "array", "maxItems": 5, "items": {"$ref": "#/components/schemas/Turn"}},
        }},
        "Turn": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "Out": {"type": "object", "required": ["decision", "answer", "scores", "results"], "properties": {
            "decision": {"enum": ["answer", "silent"], "type": "string"},
            "answer": {"anyOf": [{"$ref": "#/components/schemas/Answer"}, {"type": "null"}]},
            "scores": {"type": "object", "additionalProperties": {"type": "number"}},
            "results": {"type": "array", "items": {"anyOf": [
                {"$ref": "#/components/schemas/Answer"}, {"$ref": "#/components/schemas/Turn"},
            ]}},
        }},
        "Answer": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}, "score": {"type": "number"}}},
    }},
}  # fmt: skip


def post(document: Json) -> Json:
    return document["paths"]["/chat"]["post"]


def schema(document: Json, model: str) -> Json:
    return document["components"]["schemas"][model]


def field(document: Json, model: str, name: str) -> Json:
    return schema(document, model)["properties"][name]


BREAKING: dict[str, Callable[[Json], Any]] = {
    "POST /chat: removed": lambda new: new["paths"]["/chat"].pop("post"),
    "status 200 removed": lambda new: post(new)["responses"].pop("200"),
    "application/json removed": lambda new: post(new)["responses"]["200"]["content"].clear(),
    "parameter page removed": lambda new: post(new)["parameters"].clear(),
    "parameter size is now required": lambda new: post(new)["parameters"].append(
        {"in": "query", "name": "size", "required": True, "schema": {"type": "integer"}}
    ),
    "page: maximum narrowed to 8": lambda new: post(new)["parameters"][0]["schema"].update(maximum=8),
    "(Out).decision: removed": lambda new: schema(new, "Out")["properties"].pop("decision"),
    "(Out).decision: may now be absent": lambda new: schema(new, "Out")["required"].remove("decision"),
    "(Out).decision: value silent removed": lambda new: field(new, "Out", "decision").update(enum=["answer"]),
    "(Out).decision: any value may come now": lambda new: field(new, "Out", "decision").pop("enum"),
    "(Out).decision: type string removed": lambda new: field(new, "Out", "decision").update(type="integer", enum=[1]),
    "(Out).decision: type null added": lambda new: field(new, "Out", "decision").update(type=["string", "null"]),
    "(Out).answer: type null removed": lambda new: field(new, "Out", "answer")["anyOf"].pop(),
    "(Out).answer.score: removed": lambda new: schema(new, "Answer")["properties"].pop("score"),
    "(Out).scores[]: type number removed": lambda new: field(new, "Out", "scores")["additionalProperties"].update(type="string"),
    "(Out).results[]: type object Turn removed": lambda new: field(new, "Out", "results")["items"]["anyOf"].pop(),
    "(In).channel: is now required": lambda new: schema(new, "In").update(
        required=["text", "channel"], properties=schema(new, "In")["properties"] | {"channel": {"type": "string"}}
    ),
    "(In).count: is now required": lambda new: schema(new, "In")["required"].append("count"),
    "(In).count: removed": lambda new: schema(new, "In")["properties"].pop("count"),
    "(In).count: type null removed": lambda new: field(new, "In", "count")["anyOf"].pop(),
    "(In).count: minimum narrowed to 1": lambda new: field(new, "In", "count")["anyOf"][0].update(minimum=1),
    "(In).count: maximum narrowed to 7": lambda new: field(new, "In", "count")["anyOf"][0].update(maximum=7),
    "(In).text: maxLength narrowed to 19": lambda new: field(new, "In", "text").update(maxLength=19),
    "(In).text: minLength narrowed to 1": lambda new: field(new, "In", "text").update(minLength=1),
    "(In).text: pattern changed to a": lambda new: field(new, "In", "text").update(pattern="a"),
    "(In).text: only some values are taken": lambda new: field(new, "In", "text").update(enum=["a"]),
    "(In).tier: value silver removed": lambda new: field(new, "In", "tier").update(enum=["gold"]),
    "(In).turns: maxItems narrowed to 4": lambda new: field(new, "In", "turns").update(maxItems=4),
    "(Turn).text: type string removed": lambda new: field(new, "Turn", "text").update(type="integer"),
    "(In): additionalProperties changed": lambda new: schema(new, "In").update(additionalProperties=False),
}
ADDITIVE: dict[str, Callable[[Json], Any]] = {
    "a path": lambda new: new["paths"].update({"/score": {"post": {"responses": {}}}}),
    "a method": lambda new: new["paths"]["/chat"].update(get={"responses": {}}),
    "a status": lambda new: post(new)["responses"].update({"403": {"description": "no"}}),
    "an optional parameter": lambda new: post(new)["parameters"].append({"in": "query", "name": "q", "schema": {"type": "string"}}),
    "an optional field of a request": lambda new: schema(new, "In")["properties"].update(channel={"type": "string", "maxLength": 9}),
    "a field of an answer": lambda new: schema(new, "Out").update(
        required=["turn", *schema(new, "Out")["required"]], properties=schema(new, "Out")["properties"] | {"turn": {"type": "integer"}}
    ),
    "a value of an answer": lambda new: field(new, "Out", "decision")["enum"].append("clarify"),
    "a value of a request": lambda new: field(new, "In", "tier")["enum"].append("platinum"),
    "a wider range": lambda new: field(new, "In", "text").update(maxLength=21),
    "no range": lambda new: field(new, "In", "text").pop("maxLength"),
    "a field no longer required": lambda new: schema(new, "In")["required"].clear(),
    "a type of a request": lambda new: field(new, "In", "count")["anyOf"].append({"type": "string"}),
    "numbers where whole ones were": lambda new: field(new, "In", "count")["anyOf"][0].update(type="number"),
    "a narrower answer": lambda new: field(new, "Out", "scores")["additionalProperties"].update(minimum=0),
    "words": lambda new: field(new, "Out", "decision").update(description="what to do"),
}  # fmt: skip


def test_a_document_is_compatible_with_itself() -> None:
    assert breaking_changes(SMALL, copy.deepcopy(SMALL)) == []


@pytest.mark.parametrize("expected", BREAKING)
def test_what_breaks_is_seen(expected: str) -> None:
    new = copy.deepcopy(SMALL)
    BREAKING[expected](new)
    assert any(expected in line for line in breaking_changes(SMALL, new)), breaking_changes(SMALL, new)


@pytest.mark.parametrize("added", ADDITIVE)
def test_what_only_adds_is_let_through(added: str) -> None:
    new = copy.deepcopy(SMALL)
    ADDITIVE[added](new)
    assert new != SMALL and breaking_changes(SMALL, new) == []
