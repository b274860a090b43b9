"""The BentoML service: `bentoml serve serving.service:Kefu`, or `python -m serving`, which checks first."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import time
from pathlib import Path

import bentoml

from data.errors import KefuError
from serving import logs
from serving.app import Api
from serving.bundles import check_files, current_stamp, load_brain, settle
from serving.engine import Engine
from serving.feedback.desk import prepare_feedback
from serving.headers import SecurityHeaders
from serving.knowledge import follow, sweep
from serving.metrics import Metrics
from serving.rate import RateLimit
from serving.settings import Settings
from serving.stores import check_store, open_store, purge_store

logger = logging.getLogger(__name__)

_SAMPLE_SECONDS = 2.0
_PURGE_EVERY = 600.0  # seconds
_RETRY_SECONDS = 30.0  # until a bundle that could not be loaded is tried again; each time all of it is read

settings = Settings.from_environment()
# Paths, metrics and log lines are ours, not BentoML's: its API methods give errors in three shapes of their own, its metrics
# make a series of every path that a stranger tries, and its access log is not JSON.
api = Api(settings)
_LONGEST = 600  # seconds; only a knowledge base with thousands of new questions takes more than one


# A worker has one core: more threads of OpenMP and BLAS only wait, spinning, on the core of another worker (25 ms of CPU a
# message instead of 10, measured). The environment wins over these.
_ONE_THREAD = [{"name": name, "value": "1"} for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]


@bentoml.service(
    name="kefu", workers=settings.workers, envs=_ONE_THREAD, traffic={"timeout": _LONGEST}, metrics={"enabled": False},
    logging={"access": {"enabled": False}}
)  # fmt: skip
@bentoml.asgi_app(api, path="/")
class Kefu:
    """Chinese e-commerce customer service: intent, emotion, priority and answers. POST /chat, POST /score, GET /."""

    def __init__(self) -> None:
        logs.configure(settings.log_level)
        self.store = open_store(settings)
        self.engine = Engine(load_brain(settings), self.store, opening_hours=settings.opening_hours)
        self.metrics = Metrics(worker=bentoml.server_context.worker_index or 1)
        api.start(self.engine, self.metrics, RateLimit(settings.state, per_minute=settings.rate))
        settle()
        logger.info("ready", extra={"fields": {"bundle": self.engine.brain.bundle.manifest.bundle_version}})

    @bentoml.on_deployment  # type: ignore[untyped-decorator]
    @staticmethod  # below, or BentoML does not find the hook
    def check() -> None:
        """Refuses to start workers that could only die, one after another."""
        sweep(settings)
        check_files(settings)
        check_store(settings)
        prepare_feedback(settings)

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    async def watch(self) -> None:
        """Begins to follow the `current` pointer, to measure this process, and to delete what has expired."""
        self._sampling = asyncio.create_task(self._sample())
        self._forgetting = asyncio.create_task(_forget())
        if settings.reload_seconds > 0:
            self._watching = asyncio.create_task(self._follow())

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    async def finish(self) -> None:
        """Ends what `watch` began, and waits for the work under way."""
        if settings.reload_seconds > 0:
            self._watching.cancel()
        self._sampling.cancel()
        self._forgetting.cancel()
        await api.close()
        self.store.close()

    async def _sample(self) -> None:
        parent = os.getppid()
        while True:
            if os.getppid() != parent:  # killed: nobody would replace this worker, which keeps the port from the next server
                logger.error("the parent process is gone, this worker ends")
                signal.raise_signal(signal.SIGTERM)
                return
            self.metrics.sample()
            self.metrics.queue(api.waiting)
            self.metrics.serving(self.engine.brain.bundle.manifest.bundle_version, "champion")
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _follow(self) -> None:
        seen: tuple[Path, int, int] | None = None
        failed, again = "", math.inf
        while True:
            await asyncio.sleep(settings.reload_seconds)
            try:
                stamp = await asyncio.to_thread(current_stamp, settings)
                if stamp == seen and time.monotonic() < again:
                    continue
                seen, again = stamp, math.inf
                changed = await asyncio.to_thread(follow, settings, self.engine)
            except Exception as error:  # the bundle that is loaded goes on answering
                again = time.monotonic() + _RETRY_SECONDS  # it may have been the disk or the memory, which no new stamp tells of
                words = str(error) or type(error).__name__
                if failed != words:
                    failed = words
                    self.metrics.reload("failed")
                    logger.error("the current bundle cannot be loaded, the old one stays: %s", words)
                continue
            failed = ""
            if changed:
                self.metrics.reload("ok")
                logger.info("changed bundle", extra={"fields": {"bundle": self.engine.brain.bundle.manifest.bundle_version}})


Kefu.add_asgi_middleware(SecurityHeaders)  # type: ignore[attr-defined]


async def _forget() -> None:
    while True:
        try:
            await asyncio.to_thread(purge_store, settings)
        except KefuError as error:
            logger.error("what has expired could not be deleted, it is tried again: %s", error)
        await asyncio.sleep(_PURGE_EVERY)
