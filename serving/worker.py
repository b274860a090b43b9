"""One thread that does the work of a process: the graph runs on one core, and waiting belongs to the event loop.

A plain queue, by measurement: what may be encoded together gains nothing by it (README, "Under load").
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from serving.errors import OverloadedError

P = ParamSpec("P")
R = TypeVar("R")


_NEWEST = 0.2  # weight of the newest piece in the mean time of one: a machine that was busy for a moment is soon forgiven


class WorkThread:
    """First come, first served, while what waits will be done in time. Long work should come in small pieces."""

    def __init__(self, *, limit: int, max_wait: float = math.inf) -> None:
        """Starts the thread.

        Args:
            limit: Pieces of work that may wait.
            max_wait: Seconds that a piece may be expected to wait.
        """
        self._limit = limit
        self._max_wait = max_wait
        self._waiting = 0
        self._piece = 0.0  # seconds of one piece, the mean over the newest
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kefu-work")

    @property
    def waiting(self) -> int:
        """Pieces that wait or are being done."""
        return self._waiting

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Returns what the work returns.

        Raises:
            OverloadedError: Too much waits already.
        """
        if self._waiting >= self._limit or self._waiting * self._piece > self._max_wait:
            raise OverloadedError(f"{self._waiting} pieces of work wait in this worker; try again soon, or raise KEFU_WORKERS")
        future = self._thread.submit(self._timed, functools.partial(work, *args, **kwargs))
        self._waiting += 1
        loop = asyncio.get_running_loop()
        # Counted when the work ends, not when its client stops waiting.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends the thread once its work is done."""
        self._thread.shutdown(wait=True)

    def _timed(self, work: Callable[[], R]) -> R:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self._piece += (time.perf_counter() - started - self._piece) * (_NEWEST if self._piece else 1)

    def _done(self) -> None:
        self._waiting -= 1
