"""What a worker process does. Its parent, which only starts workers, loads none of this."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import time
from pathlib import Path

from data.errors import KefuError
from serving import logs
from serving.app import Api
from serving.balance import Balance
from serving.bundles import load_brain, settle
from serving.checks import current_stamp
from serving.engine import Engine
from serving.knowledge import follow
from serving.metrics import Metrics
from serving.rate import RateLimit
from serving.settings import Settings
from serving.stores import open_store, purge_store

logger = logging.getLogger(__name__)

_SAMPLE_SECONDS = 2.0
_TIDY_SECONDS = 1.0
_PURGE_EVERY = 600.0  # seconds
_RETRY_SECONDS = 30.0  # until a bundle that could not be loaded is tried again; each time all of it is read


class Process:
    """The engine of a worker, the application in front of it, and what goes on beside the requests."""

    def __init__(self, settings: Settings, *, worker: int) -> None:
        """Loads the bundle; `worker` is the number of this process, from 1."""
        keep_to_core(worker, settings.workers)
        logs.configure(settings.log_level)
        self._settings = settings
        self._store = open_store(settings)
        self._engine = Engine(load_brain(settings), self._store, opening_hours=settings.opening_hours)
        self._metrics = Metrics(worker=worker)
        shared = os.environ.get("PROMETHEUS_MULTIPROC_DIR")  # a folder of this server alone
        balance = Balance(Path(shared) if shared else None, worker=worker, workers=settings.workers)
        self.api = Api(settings)
        self.api.start(self._engine, self._metrics, RateLimit(settings.state, per_minute=settings.rate), balance)
        self._tasks: list[asyncio.Task[None]] = []
        settle()
        logger.info("ready", extra={"fields": {"bundle": self._engine.brain.bundle.manifest.bundle_version}})

    def watch(self) -> None:
        """Begins to follow the `current` pointer, to measure this process, and to delete what has expired."""
        self._tasks = [asyncio.create_task(work()) for work in (self._sample, self._forget, self._tidy)]
        if self._settings.reload_seconds > 0:
            self._tasks.append(asyncio.create_task(self._follow()))

    async def finish(self) -> None:
        """Ends what `watch` began, and waits for the work under way."""
        for task in self._tasks:
            task.cancel()
        await self.api.close()
        self._store.close()

    async def _sample(self) -> None:
        parent = os.getppid()
        while True:
            if os.getppid() != parent:  # killed: nobody would replace this worker, which keeps the port from the next server
                logger.error("the parent process is gone, this worker ends")
                signal.raise_signal(signal.SIGTERM)
                return
            self._metrics.sample()
            self._metrics.queue(self.api.waiting)
            self._metrics.serving(self._engine.brain.bundle.manifest.bundle_version, "champion")
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _tidy(self) -> None:
        while True:
            await asyncio.to_thread(self._store.tidy)
            await asyncio.sleep(_TIDY_SECONDS)

    async def _forget(self) -> None:
        while True:
            try:
                await asyncio.to_thread(purge_store, self._settings)
            except KefuError as error:
                logger.error("what has expired could not be deleted, it is tried again: %s", error)
            await asyncio.sleep(_PURGE_EVERY)

    async def _follow(self) -> None:
        seen: tuple[Path, int, int] | None = None
        failed, again = "", math.inf
        while True:
            await asyncio.sleep(self._settings.reload_seconds)
            try:
                stamp = await asyncio.to_thread(current_stamp, self._settings)
                if stamp == seen and time.monotonic() < again:
                    continue
                seen, again = stamp, math.inf
                changed = await asyncio.to_thread(follow, self._settings, self._engine)
            except Exception as error:  # the bundle that is loaded goes on answering
                again = time.monotonic() + _RETRY_SECONDS  # it may have been the disk or the memory, which no new stamp tells of
                words = str(error) or type(error).__name__
                if failed != words:
                    failed = words
                    self._metrics.reload("failed")
                    logger.error("the current bundle cannot be loaded, the old one stays: %s", words)
                continue
            failed = ""
            if changed:
                self._metrics.reload("ok")
                logger.info("changed bundle", extra={"fields": {"bundle": self._engine.brain.bundle.manifest.bundle_version}})


def keep_to_core(worker: int, workers: int) -> None:
    """Binds this process to a core where there is just one for each worker: on another's it would find nothing of its own in the cache.

    Args:
        worker: Its number, from 1.
        workers: How many there are.
    """
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == workers:
        os.sched_setaffinity(0, {cores[(worker - 1) % workers]})
