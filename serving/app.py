"""HTTP: paths, bodies, error bodies, one log line and the metrics of each request."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from data.errors import KefuError
from serving.engine import Engine
from serving.errors import (
    BodyTooLargeError,
    MalformedBodyError,
    MethodError,
    UnknownPathError,
    error_fields,
    error_response,
    field_error,
    http_error,
)
from serving.metrics import Metrics
from serving.openapi import openapi
from serving.rate import RateLimit
from serving.schema import ChatAnswer, ChatRequest, ReleaseAnswer, ReleaseRequest, ScoreEnvelope, Scores
from serving.settings import Settings
from serving.worker import WorkThread

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
_CHUNK = 8  # messages of /score done in one piece, so that a /chat need not wait for 256
_Model = TypeVar("_Model", bound=BaseModel)
_Work = Callable[[Any, str, float], Awaitable[Response]]


class Api:
    """The ASGI application. It answers once `start` gave it an engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._engine: Engine | None = None
        self._metrics: Metrics | None = None
        self._rate: RateLimit | None = None
        self._thread = WorkThread(limit=settings.queue)
        self._docs = json.dumps(openapi(), ensure_ascii=False).encode()
        self._app = Starlette(
            routes=[
                Route("/chat", self._endpoint("chat", self._chat), methods=["POST"]),
                Route("/score", self._endpoint("score", self._score), methods=["POST"]),
                Route("/release", self._endpoint("release", self._release), methods=["POST"]),
                Route("/metrics", self._show_metrics),
                Route("/docs.json", self._show_docs),
                Route("/openapi.json", self._show_docs),
                Route("/favicon.ico", _no_favicon),
                Route("/", _page),
                Mount("/page", StaticFiles(directory=PAGE)),
            ],
            exception_handlers={HTTPException: _http_exception},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        await self._app(scope, receive, send)

    def start(self, engine: Engine, metrics: Metrics, rate: RateLimit) -> None:
        """Lets requests in."""
        self._engine, self._metrics, self._rate = engine, metrics, rate

    async def close(self) -> None:
        """Waits for the work under way."""
        await asyncio.to_thread(self._thread.close)

    def _endpoint(self, path: str, work: _Work) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            started, request_id = time.perf_counter(), uuid4().hex
            try:
                if self._rate is not None:
                    self._rate.check(request.client.host if request.client else "")
                response = await work(parse_json(await self._body(request)), request_id, started)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody is there to read it
            except Exception as error:
                response = self._failed(path, error, request_id, started)
            response.headers["X-Request-ID"] = request_id
            response.headers["Cache-Control"] = "no-store"
            if self._metrics is not None:
                self._metrics.request(path, response.status_code, time.perf_counter() - started)
            return response

        return endpoint

    async def _chat(self, body: Any, request_id: str, started: float) -> Response:
        message, engine = _validated(ChatRequest, body), self._ready()
        result = await self._thread.run(engine.chat, message, request_id=request_id, started=started)
        if result.answer is None:
            if self._metrics is not None:
                self._metrics.replay()
            _log("chat", request_id, started, conversation_id=message.conversation_id, replayed=True)
            return _json(result.body, {"Idempotent-Replayed": "true"})
        if self._metrics is not None:
            self._metrics.chat(result.answer)
        _log("chat", request_id, started, characters=len(message.text), channel=message.channel, **_facts(result.answer))
        return _json(result.body)

    async def _score(self, body: Any, request_id: str, started: float) -> Response:
        messages, engine = _validated(ScoreEnvelope, body).messages, self._ready()
        results: list[Scores | Exception] = []
        for first in range(0, len(messages), _CHUNK):
            results += await self._thread.run(engine.score, messages[first : first + _CHUNK], request_id=request_id)
        written = [self._score_result(result, request_id) for result in results]
        errors = sum(isinstance(result, Exception) for result in results)
        _log("score", request_id, started, messages=len(results), errors=errors)
        return _json('{"results": [' + ", ".join(written) + "]}")

    def _score_result(self, result: Scores | Exception, request_id: str) -> str:
        if isinstance(result, Scores):
            if self._metrics is not None:
                self._metrics.scores("score", result)
            return result.model_dump_json()
        if self._metrics is not None:
            self._metrics.error("score", http_error(result).name)
        if http_error(result).status >= 500:
            cause = result if isinstance(result, KefuError) else _placed(result)
            logger.error("a message of score failed", exc_info=cause, extra={"fields": {"request_id": request_id}})
        return json.dumps({"error": error_fields(result, request_id)}, ensure_ascii=False)

    async def _release(self, body: Any, request_id: str, started: float) -> Response:
        request, engine = _validated(ReleaseRequest, body), self._ready()
        released = await self._thread.run(engine.release, request.conversation_id)
        _log("release", request_id, started, conversation_id=request.conversation_id, released=released)
        return _json(ReleaseAnswer(conversation_id=request.conversation_id, released=released).model_dump_json())

    def _failed(self, path: str, error: Exception, request_id: str, started: float) -> Response:
        row = http_error(error)
        if self._metrics is not None:
            self._metrics.error(path, row.name)
        if row.status >= 500:
            fields = {"request_id": request_id, "error": row.name}
            cause = error if isinstance(error, KefuError) else _placed(error)
            logger.error("%s failed", path, exc_info=cause, extra={"fields": fields})
        else:
            _log(path, request_id, started, status=row.status, error=row.name)
        return error_response(error, request_id)

    async def _body(self, request: Request) -> bytes:
        limit, size, chunks = self._settings.max_body, 0, []
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise BodyTooLargeError(
                    f"the body has more than {limit} bytes; send fewer or shorter messages, or raise KEFU_MAX_BODY"
                )
            chunks.append(chunk)
        return b"".join(chunks)

    def _ready(self) -> Engine:
        if self._engine is None:
            raise KefuError("a request came before the bundle was loaded; report this")
        return self._engine

    async def _show_metrics(self, _: Request) -> Response:
        if self._metrics is None:
            return Response(status_code=503)
        content, media_type = await asyncio.to_thread(self._metrics.exposition)
        return Response(content, media_type=media_type)

    async def _show_docs(self, _: Request) -> Response:
        return Response(self._docs, media_type="application/json")


def parse_json(body: bytes) -> Any:
    """Returns the JSON value of a body.

    Raises:
        MalformedBodyError: It is not UTF-8, or not JSON.
    """
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise MalformedBodyError(
            f"byte {error.start} of the body is not UTF-8; encode the request as UTF-8 (it may be GB18030)"
        ) from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise MalformedBodyError(f"the body is not JSON ({error.msg} at {place}); correct it") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, NaN, or thousands of brackets
        raise MalformedBodyError("the body holds a number or a nesting that JSON readers do not take; correct it") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _validated(model: type[_Model], body: Any) -> _Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise field_error(error) from error


def _json(body: str, headers: dict[str, str] | None = None) -> Response:
    return Response(body.encode(), headers=headers, media_type="application/json")


def _log(path: str, request_id: str, started: float, **fields: object) -> None:
    common = {"request_id": request_id, "status": 200, "latency_ms": round((time.perf_counter() - started) * 1000, 2)}
    logger.info("%s", path, extra={"fields": common | fields})


def _facts(answer: ChatAnswer) -> dict[str, object]:
    return {
        "conversation_id": answer.conversation_id, "turn": answer.turn,
        "decision": answer.decision, "reason": answer.decision_reason,
        "intent": answer.intent.name, "confidence": answer.intent.confidence, "out_of_scope": answer.out_of_scope.is_oos,
        "emotion": answer.emotion.label, "alert": answer.emotion.reason, "priority": answer.priority.score,
        "faq_id": answer.answer.faq_id if answer.answer else None, "bundle": answer.model.bundle, "degraded": answer.degraded,
    }  # fmt: skip


def _placed(error: Exception) -> Exception:
    """The same kind of error at the same place, without its words: they may hold a customer's."""
    return RuntimeError(type(error).__name__).with_traceback(error.__traceback__)


async def _http_exception(request: Request, error: Exception) -> Response:
    request_id = uuid4().hex
    status, headers = (error.status_code, error.headers) if isinstance(error, HTTPException) else (500, None)
    if status == 405:
        allowed = (headers or {}).get("Allow", "another method")
        wrong = MethodError(f"{request.method} is not for this path, expected {allowed}; see /openapi.json")
        return error_response(wrong, request_id, headers)
    if status == 404:
        return error_response(UnknownPathError("nothing is at this path; see /openapi.json for those that exist"), request_id)
    return error_response(KefuError(f"HTTP {status}"), request_id)


async def _page(_: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


async def _no_favicon(_: Request) -> Response:
    return Response(status_code=204)
