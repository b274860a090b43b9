"""What an operation of the HTTP interface is: one row that routes, checks and documents it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel
from starlette.responses import Response

from serving.engine import Engine
from serving.feedback.desk import FeedbackDesk
from serving.metrics import Metrics
from serving.rate import RateLimit
from serving.scope import Scope
from serving.settings import Settings
from serving.worker import WorkQueue


@dataclass(frozen=True, slots=True)
class Services:
    """What operations work with. Made once, when the bundle is loaded."""

    settings: Settings
    engine: Engine
    metrics: Metrics
    rate: RateLimit
    queue: WorkQueue
    feedback: FeedbackDesk


@dataclass(frozen=True, slots=True)
class Call:
    """One request, checked.

    Attributes:
        services: What the operation works with.
        body: The body as `Operation.request`; None for an operation without one.
        path: The parts of the path that vary, by name.
        query: The query parameters.
        headers: The headers, names in lower case.
        request_id: Names this call in the answer and in the log.
        started: `time.perf_counter()` when the request came.
        key: The name of the caller's key; None where none was needed.
    """

    services: Services
    body: Any
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    request_id: str
    started: float
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path.

    Attributes:
        name: The operation's id, and its name in metrics and logs.
        method: HTTP method.
        path: As Starlette writes it; parts in braces vary.
        scope: What the caller's key must allow; None for what everybody may ask.
        summary: What comes out, in a line.
        run: Does it.
        request: What the body is checked as; None for an operation without a body.
        documented: What the document shows of the body where single parts are checked later; else the same.
        answer: What comes back; None for text or a file.
        example: A body that is answered with 200 (of /feedback, once the answer of its request id was given).
        answer_example: What comes back for it.
        cost: How many messages a body counts as in the rate limit; None for one.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    scope: Scope | None
    summary: str
    run: Callable[[Call], Awaitable[Response]]
    request: type[BaseModel] | None = None
    documented: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    example: dict[str, Any] = field(default_factory=dict)
    answer_example: dict[str, Any] = field(default_factory=dict)
    cost: Callable[[Any], int] | None = None


def json_response(body: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Returns an answer whose body is JSON already."""
    return Response(body.encode(), status, dict(headers or {}), "application/json")
