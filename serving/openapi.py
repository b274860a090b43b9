"""The OpenAPI document, made from the operations and their models. `python -m serving.openapi` writes it to serving/openapi.json.

`python -m serving.openapi URL KEY` first asks a running service every example and keeps what it answers in serving/examples.json.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.operation import Operation
from serving.operations import OPERATIONS
from serving.schema import SCHEMA_VERSION, ErrorBody
from serving.scope import Scope

_ID = {"type": "string", "minLength": 1, "maxLength": 128}
_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The body is not UTF-8 JSON, or a text holds half a surrogate pair",
    "401": "There are keys, and the request has none of them",
    "403": "The key lacks the scope; or there are no keys, and it is an admin's work or comes over the network",
    "404": "What is named is not there",
    "408": "The body did not arrive in time",
    "409": "It does not fit what is there now; the message says what to do",
    "413": "The body or a text is too long",
    "415": "The body is compressed, or said to be something else than JSON",
    "422": "A field is missing, wrong, or out of its range",
    "429": "Too many requests in this minute",
    "500": "Our fault; the message names the request id for the operators",
    "503": "Overloaded, or the conversation store cannot be used; try again",
}
_ONLY = {"401": tuple(Scope), "403": tuple(Scope), "404": (Scope.FEEDBACK, Scope.ADMIN), "409": (Scope.ADMIN,)}

FILE = Path(__file__).parent / "openapi.json"
EXAMPLES = Path(__file__).parent / "examples.json"
_ERROR_EXAMPLES = {
    "400": ("malformed_body", "the body is not JSON (Expecting value at line 1, column 1); correct it"),
    "401": ("unauthorized", "a key is needed, got none; send 'Authorization: Bearer KEY' or 'X-API-Key: KEY'"),
    "403": ("forbidden", "the key shop lacks the scope score; use one that has it"),
    "404": ("unknown_bundle", "no bundle has the version '0123456789ab'; list those that exist, and choose one"),
    "408": ("body_too_slow", "the body did not arrive within 10 seconds; send it faster, or raise KEFU_BODY_SECONDS"),
    "409": (
        "version_conflict",
        "the current bundle is a931d513cfd0, expected '0123456789ab'; read the entries again",
    ),
    "413": ("text_too_long", "text has 2001 characters, expected at most 2000; shorten or split it"),
    "415": ("unsupported_media_type", "the body is not said to be JSON; send the header 'Content-Type: application/json'"),
    "422": ("invalid_request", "text: Field required. Correct the request; /openapi.json describes it"),
    "429": ("too_many_requests", "more than 60 requests in this minute; wait for the next, or raise KEFU_RATE"),
    "500": ("internal", "something went wrong on our side; try again, and give the operators request id 5c0ffee5"),
    "503": ("overloaded", "256 pieces of work wait in this worker; try again soon, or raise KEFU_WORKERS"),
}
_LONGEST = 10  # items of a list that a recorded example shows whole
_PATH_EXAMPLES = {"conversation_id": "c1"}
_PATH_TEXTS = {"conversation_id": "Names the conversation."}


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
        described["parameters"] = [
            {
                "name": name,
                "in": "path",
                "required": True,
                "description": _PATH_TEXTS[name],
                "schema": _ID,
                "example": _PATH_EXAMPLES[name],
            }
            for name in names
        ]
    if body is not None:
        content = {"application/json": {"schema": _reference(body), "example": operation.example}}
        described["requestBody"] = {"required": True, "content": content}
    answer: dict[str, Any] = {"description": "Done"}
    if operation.answer is not None:
        answer["content"] = _json(operation.answer)
        answer["content"]["application/json"]["example"] = _recorded().get(operation.name, operation.answer_example)
    texts = {status: text for status, text in _ERRORS.items() if operation.scope in _ONLY.get(status, (operation.scope,))}
    errors = {status: {"description": text, "content": _error(status)} for status, text in texts.items()}
    return described | {"responses": {"200": answer, **errors}}


def _get(path: str, text: str) -> dict[str, Any]:
    return {"operationId": path.strip("/"), "summary": text, "responses": {"200": {"description": "Fine"}}}


def _error(status: str) -> dict[str, Any]:
    content = _json(ErrorBody)
    name, message = _ERROR_EXAMPLES.get(status, ("", ""))
    content["application/json"]["example"] = {"error": {"type": name, "message": message}}
    return content


@cache
def _recorded() -> dict[str, Any]:
    return dict(json.loads(EXAMPLES.read_text(encoding="utf-8")))


def record(url: str, key: str) -> dict[str, Any]:
    """Returns what a running service answers to the example of each operation, by the operation's name.

    An operation that does not answer with 2xx (there may be nothing to go back to, or the key is no admin's) keeps its example.
    """
    answers = {operation.name: _recorded()[operation.name] for operation in OPERATIONS if operation.name in _recorded()}
    shown, real = "", ""  # the request id in the examples, and the one that it stands for
    for operation in sorted(OPERATIONS, key=lambda operation: operation.method == "DELETE"):
        if operation.answer is None:
            continue
        if "request_id" in operation.example:
            shown, real = operation.example["request_id"], answers["chat"]["request_id"]
        body = json.dumps(operation.example).replace(shown or " ", real or " ").encode() if _body(operation) else None
        headers = {"Content-Type": "application/json", "X-API-Key": key}
        asked = urllib.request.Request(url + path_example(operation), body, headers, method=operation.method)  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=60) as answered:  # noqa: S310
                answers[operation.name] = _short(json.load(answered))
        except urllib.error.HTTPError as error:
            sys.stderr.write(f"{operation.name}: HTTP {error.code}, no answer recorded\n")
    return dict(json.loads(json.dumps(answers).replace(real or " ", shown or " ")))


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_short(part) for part in (value if len(value) <= _LONGEST else value[:2])]
    return value


def path_example(operation: Operation) -> str:
    """Returns the path with an example in the place of each part that varies."""
    return re.sub(r"{(\w+)}", lambda found: _PATH_EXAMPLES[found.group(1)], operation.path)


def main(arguments: Sequence[str]) -> None:
    """Writes the document, and the examples before it if a service is named."""
    if arguments:
        _write(EXAMPLES, record(arguments[0].rstrip("/"), "".join(arguments[1:])))
        _recorded.cache_clear()
    _write(FILE, openapi())


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}


if __name__ == "__main__":
    main(sys.argv[1:])
