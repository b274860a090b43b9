"""The BentoML service: `bentoml serve serving.service:Kefu`, or `python -m serving`, which checks first."""

from __future__ import annotations

import gc
from threading import Thread

import bentoml
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.access import Access
from serving.checks import check_files, sweep
from serving.feedback.desk import check_target, prepare_feedback
from serving.front import Front
from serving.headers import SecurityHeaders
from serving.settings import Settings
from serving.stores import check_store

settings = Settings.from_environment()


class _Application:
    """What answers requests, once a worker has made it; the parent process never does."""

    made: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.made(scope, receive, send)


# Paths, metrics and log lines are ours, not BentoML's: its API methods give errors in three shapes of their own, its metrics
# make a series of every path that a stranger tries, and its access log is not JSON.
_application = _Application()

# A worker has one core: more threads of OpenMP and BLAS only wait, spinning, on the core of another worker (25 ms of CPU a
# message instead of 10, measured). The environment wins over these.
_ONE_THREAD = [{"name": name, "value": "1"} for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]


@bentoml.service(
    name="kefu", workers=settings.workers, envs=_ONE_THREAD, metrics={"enabled": False}, logging={"access": {"enabled": False}}
)  # fmt: skip
@bentoml.asgi_app(_application, path="/")
class Kefu:
    """Chinese e-commerce customer service: intent, emotion, priority and answers. POST /chat, POST /score, GET /."""

    def __init__(self) -> None:
        gc.disable()  # until all is loaded: it would look through what stays again and again
        from serving.process import Process  # in workers only: half a second of imports that the parent has no use for

        self._process = Process(settings, worker=bentoml.server_context.worker_index or 1)
        _application.made = self._process.api

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod  # below, or BentoML does not find the hook
    def check() -> None:
        """Refuses to start workers that could only die, one after another."""
        Access(settings)
        sweep(settings)
        check_files(settings)
        check_store(settings)
        check_target(settings)
        Thread(target=prepare_feedback, args=(settings,)).start()  # a quarter of a second, while workers load

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def watch(self) -> None:
        """Begins what goes on beside the requests."""
        self._process.watch()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def finish(self) -> None:
        """Ends it, and waits for the work under way."""
        await self._process.finish()


Kefu.add_asgi_middleware(Front, inner=_application)  # type: ignore[attr-defined]
Kefu.add_asgi_middleware(SecurityHeaders)  # type: ignore[attr-defined]
