"""HTTP: from a request to an operation and back, with error bodies, one log line and the metrics of each request."""

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
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from data.errors import KefuError
from serving.access import Access, Key
from serving.audit import Attempts
from serving.balance import Balance
from serving.engine import Engine
from serving.errors import (
    BodyTooLargeError,
    ForbiddenError,
    MalformedBodyError,
    MediaTypeError,
    MethodError,
    SlowBodyError,
    StateError,
    UnauthorizedError,
    UnknownPathError,
    error_response,
    field_error,
    http_error,
)
from serving.feedback.desk import FeedbackDesk
from serving.headers import cross_origin
from serving.logs import log_call, placed
from serving.metrics import Metrics
from serving.openapi import openapi
from serving.operation import Call, Operation, Services
from serving.operations import OPERATIONS
from serving.rate import RateLimit
from serving.scope import Scope
from serving.settings import Settings
from serving.worker import WorkQueue

logger = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
_Model = TypeVar("_Model", bound=BaseModel)


class Api:
    """The ASGI application. It answers once `start` gave it an engine."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._access = Access(settings)
        self._attempts = Attempts(settings)
        self._services: Services | None = None
        self._balance = Balance(None, worker=1, workers=1)
        # A file answers at once, a Redis may be gone.
        self._queue = WorkQueue(limit=settings.queue, max_wait=settings.max_wait, threaded=bool(settings.state_url))
        self._feedback = FeedbackDesk(settings)
        self._docs = json.dumps(openapi(), ensure_ascii=False).encode()
        self._app = Starlette(
            routes=[
                *(Route(operation.path, self._endpoint(operation), methods=[operation.method]) for operation in OPERATIONS),
                Route("/metrics", self._show_metrics),
                Route("/docs.json", self._show_docs),
                Route("/openapi.json", self._show_docs),
                Route("/favicon.ico", _no_favicon),
                Route("/", _page),
                Mount("/page", _PageFiles(directory=PAGE)),
            ],
            exception_handlers={HTTPException: _http_exception},
            middleware=cross_origin(settings.cors_origins),
        )
        self._direct = self._direct_endpoints()

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        endpoint = self._direct.get((scope.get("method"), scope.get("path")))
        if endpoint is None:
            await self._app(scope, receive, send)
        else:
            response = await endpoint(Request(scope, receive, send))
            await response(scope, receive, send)

    def _direct_endpoints(self) -> dict[tuple[Any, Any], Callable[[Request], Awaitable[Response]]]:
        """Operations by method and path, which need no router; none of them where middleware looks at every request."""
        if self._settings.cors_origins:
            return {}
        return {
            (operation.method, operation.path): self._endpoint(operation) for operation in OPERATIONS if "{" not in operation.path
        }

    def start(self, engine: Engine, metrics: Metrics, rate: RateLimit, balance: Balance | None = None) -> None:
        """Lets requests in."""
        self._balance = balance or self._balance
        self._queue.on_group = metrics.batch
        self._services = Services(self._settings, engine, metrics, rate, self._queue, self._feedback)

    @property
    def waiting(self) -> int:
        """Pieces of work that wait in this worker or are being done."""
        return self._queue.waiting

    async def close(self) -> None:
        """Waits for the work under way."""
        await self._queue.close()
        await self._feedback.close()

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            self._balance.begin()
            try:
                response = await answer(request)
            finally:
                moves = self._balance.end()
            if moves:
                response.headers["Connection"] = "close"
            return response

        async def answer(request: Request) -> Response:
            started, request_id, key = time.perf_counter(), uuid4().hex, None
            try:
                self._refuse_strange_page(operation, request)
                key = self._key(operation.scope, request) if operation.scope is not None else None
                response = await operation.run(await self._call(operation, request, request_id, started, key))
            except ClientDisconnect:
                return Response(status_code=499)  # nobody is there to read it
            except Exception as error:
                response = self._failed(operation.name, error, request_id, started)
                if operation.scope is Scope.ADMIN:
                    await self._audit_failure(operation.name, error, request_id, key)
            response.headers["X-Request-ID"] = request_id
            response.headers["Cache-Control"] = "no-store"
            if self._services is not None:
                self._services.metrics.request(operation.name, response.status_code, time.perf_counter() - started)
            return response

        return endpoint

    def _refuse_strange_page(self, operation: Operation, request: Request) -> None:
        """A browser asks nobody before it sends a POST without a body or a content type for a page of another site, so we look."""
        strange = request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        if strange and operation.method != "GET" and request.headers.get("origin") not in self._settings.cors_origins:
            raise ForbiddenError("a page of another site may not ask this; name its origin in KEFU_CORS_ORIGINS")

    def _key(self, scope: Scope | None, request: Request) -> Key | None:
        try:
            return self._access.check(request, scope)
        except UnauthorizedError:
            if self._services is not None:  # who guesses keys is slowed down by address
                self._services.rate.check(_address(request))
            raise

    async def _call(self, operation: Operation, request: Request, request_id: str, started: float, key: Key | None) -> Call:
        services = self._services
        if services is None:
            raise KefuError("a request came before the bundle was loaded; report this")
        name, limit = (None, None) if key is None else (key.name, key.rate)
        client = _address(request) if key is None else f"key {name}"
        services.rate.check(client, limit=limit)  # before the body is read
        body = None
        if operation.request is not None:
            body = _validated(operation.request, parse_json(await self._body(request)))
        if operation.cost is not None and (more := operation.cost(body) - 1) > 0:
            services.rate.check(client, limit=limit, cost=more)
        return Call(services, body, request.path_params, request.query_params, request.headers, request_id, started, name)

    def _failed(self, name: str, error: Exception, request_id: str, started: float) -> Response:
        row = http_error(error)
        if self._services is not None:
            self._services.metrics.error(name, row.name)
        if row.status >= 500:
            fields = {"request_id": request_id, "error": row.name}
            cause = error if isinstance(error, KefuError) else placed(error)
            logger.error("%s failed", name, exc_info=cause, extra={"fields": fields})
        else:
            log_call(name, request_id, started, status=row.status, error=row.name)
        return error_response(error, request_id)

    async def _audit_failure(self, name: str, error: Exception, request_id: str, key: Key | None) -> None:
        who = error.key if isinstance(error, ForbiddenError) else None if key is None else key.name
        try:
            await self._attempts.write(name, key=who, request_id=request_id, outcome=http_error(error).name)
        except StateError as unwritten:  # the answer is a refusal already
            logger.error("%s", unwritten, extra={"fields": {"request_id": request_id}})

    async def _body(self, request: Request) -> bytes:
        _check_plain_json(request)
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                return await self._read(request)
        except TimeoutError as error:
            raise SlowBodyError(
                f"the body did not arrive within {self._settings.body_seconds:g} seconds; send it faster, or raise KEFU_BODY_SECONDS"
            ) from error

    async def _read(self, request: Request) -> bytes:
        limit, size, chunks = self._settings.max_body, 0, []
        async for chunk in request.stream():
            size += len(chunk)
            if size > limit:
                raise BodyTooLargeError(
                    f"the body has more than {limit} bytes; send fewer or shorter messages, or raise KEFU_MAX_BODY"
                )
            chunks.append(chunk)
        return b"".join(chunks)

    async def _show_metrics(self, request: Request) -> Response:
        if self._services is None:
            return Response(status_code=503)
        try:  # the numbers of a shop are not for everybody
            self._key(None, request)
        except KefuError as error:
            return error_response(error, uuid4().hex)
        content, media_type = await asyncio.to_thread(self._services.metrics.exposition)
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


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _check_plain_json(request: Request) -> None:
    """Refuses what is said to be no JSON: a strange page may send a browser's forms and texts here unasked, but not JSON."""
    encoding, kind = request.headers.get("content-encoding", "identity"), request.headers.get("content-type", "application/json")
    if encoding.strip().lower() != "identity":
        raise MediaTypeError("the body is compressed (Content-Encoding), expected plain JSON; send it as it is")
    name = kind.partition(";")[0].strip().lower()
    if name != "application/json" and not (name.startswith("application/") and name.endswith("+json")):
        raise MediaTypeError("the body is not said to be JSON; send the header 'Content-Type: application/json'")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _validated(model: type[_Model], body: Any) -> _Model:
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise field_error(error) from error


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


class _PageFiles(StaticFiles):
    """Asked for anew each time (most often 304): scripts of two versions do not fit together."""

    def file_response(self, *args: Any, **more: Any) -> Response:
        response = super().file_response(*args, **more)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _page(_: Request) -> Response:
    return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


async def _no_favicon(_: Request) -> Response:
    return Response(status_code=204)
