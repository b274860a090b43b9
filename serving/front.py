"""The way in: requests reach our application without passing through BentoML's middlewares."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from serving.headers import SecurityHeaders

_BENTOML = frozenset({"/livez", "/readyz", "/healthz", "/schema.json"})


class Front:
    """ASGI middleware of the service that, once it starts, takes the place of the whole stack it is part of.

    What BentoML puts around an application (a trace, a request context, a second router, a timeout) took 0.6 to 0.8 ms of CPU a
    message, and its timeout keeps a timer for every request, answered or not, until it would have run out. BentoML still starts and
    stops the service and answers the health checks.
    """

    def __init__(self, app: ASGIApp, *, inner: ASGIApp) -> None:
        """Wraps what BentoML wraps.

        Args:
            app: The rest of BentoML's stack.
            inner: Our application.
        """
        self._app = app
        self._inner = SecurityHeaders(inner)
        self._stack: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes over when the service starts; passes everything on."""
        if scope["type"] == "lifespan" and self._stack is None:
            whole = scope["app"]  # BentoML's, a Starlette
            self._stack = whole.middleware_stack
            whole.middleware_stack = self._dispatch
        await self._app(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        stack = self._stack
        if stack is None or scope["type"] != "http" or scope["path"] in _BENTOML:
            await (stack or self._app)(scope, receive, send)
        else:
            await self._inner(scope, receive, send)
