"""The OpenAPI document, made from the models of schema.py."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.schema import (
    MAX_MESSAGES,
    SCHEMA_VERSION,
    ChatAnswer,
    ChatRequest,
    ErrorBody,
    ReleaseAnswer,
    ReleaseRequest,
    ScoreAnswer,
    ScoreRequest,
)

_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    "400": "The body is not UTF-8 JSON, or a text holds half a surrogate pair",
    "413": "The body or a text is too long",
    "422": "A field is missing, wrong, or out of its range",
    "429": "Too many requests in this minute",
    "500": "Our fault; the message names the request id for the operators",
    "503": "Overloaded, or the conversation store cannot be used; try again",
}
_CHAT_EXAMPLE = {
    "conversation_id": "c1", "message_id": "m7", "text": "怎么还不发货", "channel": "app",
    "customer": {"tier": "silver", "orders": 4}, "order": {"status": "paid", "risk": 0.2}, "waiting_seconds": 30,
}  # fmt: skip
_SCORE_EXAMPLE = {"messages": [{"text": "怎么还不发货"}, {"text": "我要退货上周买的碎屏手机", "customer": {"tier": "silver"}}]}


def openapi() -> dict[str, Any]:
    """Returns the document (OpenAPI 3.1)."""
    incoming = _schemas("validation", ChatRequest, ScoreRequest, ReleaseRequest)
    outgoing = _schemas("serialization", ChatAnswer, ScoreAnswer, ReleaseAnswer, ErrorBody)
    chat = "What the customer wants and feels, how urgent it is, and what to reply"
    score = f"The same without a reply, for 1 to {MAX_MESSAGES} messages; keeps no state. A bad message has an error in its place"
    release = "Gives a conversation that was handed to a person back to the bot"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kefu 客服", "version": SCHEMA_VERSION,
            "description": "Chinese e-commerce customer service: intent, emotion, priority, entities, answers.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/chat": {"post": _post("chat", chat, ChatRequest, ChatAnswer, _CHAT_EXAMPLE)},
            "/score": {"post": _post("score", score, ScoreRequest, ScoreAnswer, _SCORE_EXAMPLE)},
            "/release": {"post": _post("release", release, ReleaseRequest, ReleaseAnswer, {"conversation_id": "c1"})},
            **{path: {"get": _get(path, text)} for path, text in _PLAIN.items()},
        },
        "components": {"schemas": incoming | outgoing},
    }  # fmt: skip


_PLAIN = {
    "/healthz": "200 while the process lives", "/livez": "200 while the process lives", "/readyz": "200 once it can answer",
    "/metrics": "Prometheus metrics of all workers",
}  # fmt: skip


def _schemas(mode: Literal["validation", "serialization"], *models: type[BaseModel]) -> dict[str, Any]:
    _, schema = models_json_schema([(model, mode) for model in models], ref_template=_REFERENCE)
    return dict(schema["$defs"])


def _post(name: str, summary: str, request: type[BaseModel], answer: type[BaseModel], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _reference(request), "example": example}}},
        "responses": {
            "200": {"description": "Done", "content": _json(answer)},
            **{status: {"description": text, "content": _json(ErrorBody)} for status, text in _ERRORS.items()},
        },
    }


def _get(path: str, text: str) -> dict[str, Any]:
    return {"operationId": path.strip("/"), "summary": text, "responses": {"200": {"description": "Fine"}}}


def _json(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference(model)}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model.__name__)}
