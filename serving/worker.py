"""One thread that does the work of a process: the graph runs on one core, and waiting belongs to the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from serving.errors import OverloadedError

P = ParamSpec("P")
R = TypeVar("R")


class WorkThread:
    """First come, first served, up to a limit of waiting pieces. Long work should come in small pieces."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._waiting = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kefu-work")

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Returns what the work returns.

        Raises:
            OverloadedError: Too much waits already.
        """
        if self._waiting >= self._limit:
            raise OverloadedError(f"{self._waiting} pieces of work wait in this worker; try again soon, or raise KEFU_WORKERS")
        future = self._thread.submit(work, *args, **kwargs)
        self._waiting += 1
        loop = asyncio.get_running_loop()
        # Counted when the work ends, not when its client stops waiting.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends the thread once its work is done."""
        self._thread.shutdown(wait=True)

    def _done(self) -> None:
        self._waiting -= 1
