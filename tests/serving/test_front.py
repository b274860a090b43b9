"""The way in, in front of an application like BentoML's."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.front import Front
from serving.headers import SECURITY, SecurityHeaders


class Slow:
    """Notes what passes through it."""

    def __init__(self, app: ASGIApp, *, passed: list[str]) -> None:
        self._app = app
        self._passed = passed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._passed.append(scope["path"])
        await self._app(scope, receive, send)


async def _ours(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("ours")(scope, receive, send)


def test_requests_pass_the_middlewares_by_and_health_checks_do_not() -> None:
    async def alive(_: object) -> PlainTextResponse:
        return PlainTextResponse("alive")

    passed: list[str] = []
    middleware = [Middleware(Slow, passed=passed), Middleware(Front, inner=_ours), Middleware(SecurityHeaders)]
    whole = Starlette(routes=[Route("/livez", alive)], middleware=middleware)
    with TestClient(whole) as client:
        answers = {path: client.get(path) for path in ("/chat", "/livez", "/nowhere")}
    assert {path: answer.text for path, answer in answers.items()} == {"/chat": "ours", "/livez": "alive", "/nowhere": "ours"}
    assert passed == ["/livez"]
    for answer in answers.values():
        assert all(answer.headers[name] == value for name, value in SECURITY.items())


def test_a_header_of_the_answer_itself_wins() -> None:
    async def framed(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("", headers={"x-frame-options": "SAMEORIGIN"})(scope, receive, send)

    answer = TestClient(SecurityHeaders(framed)).get("/")
    assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"] and answer.headers["x-content-type-options"] == "nosniff"
