"""The OpenAPI document, made from the models of schema.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.operation import Operation
from serving.operations import OPERATIONS
from serving.schema import SCHEMA_VERSION, ErrorBody

_ID = {"type": "string", "minLength": 1, "maxLength": 128}
_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The body is not UTF-8 JSON, or a text holds half a surrogate pair",
    "401": "There are keys, and the request has none of them",
    "403": "The key lacks the scope; or there are no keys, and it is an admin's work or comes over the network",
    "413": "The body or a text is too long",
    "422": "A field is missing, wrong, or out of its range",
    "429": "Too many requests in this minute",
    "500": "Our fault; the message names the request id for the operators",
    "503": "Overloaded, or the conversation store cannot be used; try again",
}


def openapi() -> dict[str, Any]:
    """Returns the document (OpenAPI 3.1)."""
    incoming = [_body(operation) for operation in OPERATIONS]
    outgoing = [operation.answer for operation in OPERATIONS]
    schemas = _schemas("validation", incoming) | _schemas("serialization", [*outgoing, ErrorBody])
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kefu 客服", "version": SCHEMA_VERSION,
            "description": "Chinese e-commerce customer service: intent, emotion, priority, entities, answers.",
        },
        "servers": [{"url": "."}],
        "paths": paths | {path: {"get": _get(path, text)} for path, text in _PLAIN.items()},
        "components": {"schemas": schemas, "securitySchemes": _SECURITY},
    }  # fmt: skip


_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of this service. Without keys, this machine needs none."},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key."},
}

_PLAIN = {
    "/healthz": "200 while the process lives", "/livez": "200 while the process lives", "/readyz": "200 once it can answer",
    "/metrics": "Prometheus metrics of all workers",
}  # fmt: skip


def _body(operation: Operation) -> type[BaseModel] | None:
    return operation.documented or operation.request


def _schemas(mode: Literal["validation", "serialization"], models: Sequence[type[BaseModel] | None]) -> dict[str, Any]:
    given = dict.fromkeys(model for model in models if model is not None)
    _, schema = models_json_schema([(model, mode) for model in given], ref_template=_REFERENCE)
    return dict(schema["$defs"])


def _operation(operation: Operation) -> dict[str, Any]:
    body = _body(operation)
    described: dict[str, Any] = {"operationId": operation.name, "summary": operation.summary}
    if operation.scope is not None:
        described["security"] = [{name: [operation.scope.value]} for name in _SECURITY]
    names = re.findall(r"{(\w+)}", operation.path)
    if names:
        described["parameters"] = [{"name": name, "in": "path", "required": True, "schema": _ID} for name in names]
    if body is not None:
        content = {"application/json": {"schema": _reference(body), "example": operation.example}}
        described["requestBody"] = {"required": True, "content": content}
    answer: dict[str, Any] = {"description": "Done"}
    if operation.answer is not None:
        answer["content"] = _json(operation.answer)
    texts = {status: text for status, text in _ERRORS.items() if operation.scope is not None or status not in ("401", "403")}
    errors = {status: {"description": text, "content": _json(ErrorBody)} for status, text in texts.items()}
    return described | {"responses": {"200": answer, **errors}}


def _get(path: str, text: str) -> dict[str, Any]:
    return {"operationId": path.strip("/"), "summary": text, "responses": {"200": {"description": "Fine"}}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
