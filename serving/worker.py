"""What a process has to do, one piece after the other: the graph takes a core, and a worker has one.

Messages of /chat that wait are done together when many do: read, decided and written in one go. Each is still encoded by itself,
by measurement (README, "Under load").
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from serving.errors import OverloadedError
from serving.logs import placed

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")
Work = Callable[[list[Any]], list[Any]]


GROUP = 8  # messages done in one go, at most
_PATIENCE = 4  # one in so many that wait: where few do, each gets its answer sooner alone
_TURNS = 4  # of the event loop between two groups: answers go out, requests come in, and of new connections one a turn
_NEWEST = 0.05  # weight of the newest piece in the mean time of one: one that stalled turns nobody away, twenty slow ones do


@dataclass(frozen=True, slots=True)
class _Piece:
    work: Work
    item: Any
    grouped: bool
    future: asyncio.Future[Any]


class WorkQueue:
    """First come, first served, while what waits will be done in time. Long work should come in small pieces.

    Work is done on the event loop itself, which sends answers and reads requests between two pieces: with a thread of its own the same
    messages took a twentieth more CPU, and half as long again at the p99. Only work that may wait for the network gets a thread.
    """

    def __init__(self, *, limit: int, max_wait: float = math.inf, threaded: bool = False) -> None:
        """Makes an empty queue.

        Args:
            limit: Pieces of work that may wait.
            max_wait: Seconds that a piece may be expected to wait.
            threaded: Whether work is done in a thread, so that health checks are answered while it stalls.
        """
        self._limit = limit
        self._max_wait = max_wait
        self._waiting = 0
        self._seconds = 0.0  # of one piece, the mean over the newest
        self._pieces: deque[_Piece] = deque()
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kefu-work") if threaded else None
        self.on_group: Callable[[int], None] = lambda _: None  # told of each group's size

    @property
    def waiting(self) -> int:
        """Pieces that wait or are being done."""
        return self._waiting

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Returns what the work returns.

        Raises:
            OverloadedError: Too much waits already.
            Exception: What the work raised.
        """
        alone: Work = functools.partial(_alone, functools.partial(work, *args, **kwargs))
        result: R = await self._add(alone, None, grouped=False)
        return result

    async def run_grouped(self, work: Work, item: Any) -> Any:
        """Returns what the work returns for an item, doing what waits of the same kind in one go.

        Args:
            work: Takes up to GROUP items and returns a result for each, an exception where it failed.
            item: One of them.

        Raises:
            OverloadedError: Too much waits already.
            Exception: What the work returned for the item.
        """
        return await self._add(work, item, grouped=True)

    async def close(self) -> None:
        """Waits for all that was taken on."""
        if self._running is not None:
            await asyncio.wait([self._running])
        if self._thread is not None:
            await asyncio.to_thread(self._thread.shutdown)

    def _add(self, work: Work, item: Any, *, grouped: bool) -> asyncio.Future[Any]:
        if self._waiting >= self._limit or self._waiting * self._seconds > self._max_wait:
            raise OverloadedError(f"{self._waiting} pieces of work wait in this worker; try again soon, or raise KEFU_WORKERS")
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting += 1
        self._pieces.append(_Piece(work, item, grouped, future))
        if self._running is None:
            self._running = loop.create_task(self._do_all())
        return future

    async def _do_all(self) -> None:
        try:
            while self._pieces:
                group = self._next_group()
                started = time.perf_counter()
                results = await self._do(group[0].work, [piece.item for piece in group])
                seconds = (time.perf_counter() - started) / len(group)
                self._seconds += (seconds - self._seconds) * (_NEWEST if self._seconds else 1)
                try:
                    self._deliver(group, results)
                except Exception as error:  # a fault of ours, of which nobody may wait for an answer for ever
                    _fail(group, error)
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
        finally:
            self._running = None

    async def _do(self, work: Work, items: list[Any]) -> list[Any]:
        try:
            if self._thread is None:
                return work(items)
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, items)
        except Exception as error:
            return [error] * len(items)

    def _next_group(self) -> list[_Piece]:
        """Takes the first piece, and those of its kind that follow it: the more wait, the more of them."""
        size = max(1, min(GROUP, len(self._pieces) // _PATIENCE))
        group = [self._pieces.popleft()]
        while group[0].grouped and self._pieces and len(group) < size and self._pieces[0].work == group[0].work:
            group.append(self._pieces.popleft())
        return group

    def _deliver(self, group: list[_Piece], results: list[Any]) -> None:
        self._waiting -= len(group)
        if group[0].grouped:
            self.on_group(len(group))
        for piece, result in zip(group, results, strict=True):
            if piece.future.cancelled():  # its client has gone
                continue
            if isinstance(result, Exception):
                piece.future.set_exception(result)
            else:
                piece.future.set_result(result)


def _fail(group: list[_Piece], error: Exception) -> None:
    logger.error("work was done and not delivered", exc_info=placed(error))
    for piece in group:
        if not piece.future.done():
            piece.future.set_exception(RuntimeError(type(error).__name__))


def _alone(work: Callable[[], Any], _: list[Any]) -> list[Any]:
    return [work()]
