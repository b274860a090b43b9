"""One thread that does the work of a process: the graph runs on one core, and waiting belongs to the event loop.

Messages of /chat that wait are done together: read, decided and written in one go. Each is still encoded by itself, by measurement
(README, "Under load").
"""

from __future__ import annotations

import asyncio
import functools
import math
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from serving.errors import OverloadedError

P = ParamSpec("P")
R = TypeVar("R")


GROUP = 8  # messages done in one go
_NEWEST = 0.05  # weight of the newest piece in the mean time of one: one that stalled turns nobody away, twenty slow ones do


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
        self.on_group: Callable[[int], None] = lambda _: None  # told of each group's size
        self._groups: defaultdict[Any, deque[tuple[Any, asyncio.Future[Any]]]] = defaultdict(deque)
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
        self._admit()
        future = self._thread.submit(self._timed, functools.partial(work, *args, **kwargs))
        self._waiting += 1
        loop = asyncio.get_running_loop()
        # Counted when the work ends, not when its client stops waiting.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    async def run_grouped(self, work: Callable[[list[Any]], list[Any]], item: Any) -> Any:
        """Returns what the work returns for an item, doing what waits of the same kind in one go.

        Args:
            work: Takes up to GROUP items and returns a result for each, an exception where it failed.
            item: One of them.

        Raises:
            OverloadedError: Too much waits already.
            Exception: What the work returned for the item.
        """
        self._admit()
        self._waiting += 1
        future = asyncio.get_running_loop().create_future()
        self._groups[work].append((item, future))
        self._thread.submit(self._group, work)
        return await future

    def close(self) -> None:
        """Ends the thread once its work is done."""
        self._thread.shutdown(wait=True)

    def _admit(self) -> None:
        if self._waiting >= self._limit or self._waiting * self._piece > self._max_wait:
            raise OverloadedError(f"{self._waiting} pieces of work wait in this worker; try again soon, or raise KEFU_WORKERS")

    def _group(self, work: Callable[[list[Any]], list[Any]]) -> None:
        """Does what waits of a kind; every item has asked for a turn, and some turns find nothing left to do."""
        waiting = self._groups[work]
        taken: list[tuple[Any, asyncio.Future[Any]]] = []
        while waiting and len(taken) < GROUP:
            taken.append(waiting.popleft())
        if not taken:
            return
        started = time.perf_counter()
        try:
            results = work([item for item, _ in taken])
        except Exception as error:
            results = [error] * len(taken)
        piece = (time.perf_counter() - started) / len(taken)
        self._piece += (piece - self._piece) * (_NEWEST if self._piece else 1)
        taken[0][1].get_loop().call_soon_threadsafe(self._deliver, taken, results)

    def _deliver(self, taken: list[tuple[Any, asyncio.Future[Any]]], results: list[Any]) -> None:
        self._waiting -= len(taken)
        self.on_group(len(taken))
        for (_, future), result in zip(taken, results, strict=True):
            if future.cancelled():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    def _timed(self, work: Callable[[], R]) -> R:
        started = time.perf_counter()
        try:
            return work()
        finally:
            self._piece += (time.perf_counter() - started - self._piece) * (_NEWEST if self._piece else 1)

    def _done(self) -> None:
        self._waiting -= 1
