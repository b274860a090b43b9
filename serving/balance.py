"""Keeps the workers of a machine evenly busy: a connection stays with the worker that took it, however much others idle.

A client that comes through a proxy may have a handful of connections, and one worker may take them all. The kernel then has nothing to
spread, so a worker that has far more to do than another asks a client to connect again.
"""

from __future__ import annotations

import mmap
import time
from pathlib import Path

_FEW = 2  # requests: with fewer under way nobody waits long
_PAUSE = 0.03  # seconds until who was sent away is counted elsewhere


class Balance:
    """How many requests each worker has under way, a byte a worker, in a file that all of them map."""

    def __init__(self, folder: Path | None, *, worker: int, workers: int) -> None:
        """Opens or makes the file.

        Args:
            folder: Of this server alone; None where there is no other worker to look at.
            worker: The number of this process, from 1; a restarted worker takes over its number.
            workers: How many there are.
        """
        self._own = worker - 1
        self._requests = 0
        self._moved = -_PAUSE
        self._cells: mmap.mmap | None = None
        if folder is not None and 1 <= worker <= workers and workers > 1:
            with (folder / "requests").open("a+b") as file:
                file.truncate(workers)
                self._cells = mmap.mmap(file.fileno(), workers)
            self._note()

    def begin(self) -> None:
        """Counts a request that came."""
        self._requests += 1
        self._note()

    def end(self) -> bool:
        """Counts a request that is answered; returns whether its client had better connect again."""
        self._requests -= 1
        self._note()
        now = time.monotonic()
        if self._cells is None or self._requests < _FEW or now < self._moved + _PAUSE:
            return False
        least = min(busy for number, busy in enumerate(bytes(self._cells)) if number != self._own)
        if 2 * self._requests < 2 + 3 * least:  # not half as many again: that is chance
            return False
        self._moved = now
        return True

    def _note(self) -> None:
        if self._cells is not None:
            self._cells[self._own] = min(self._requests, 255)
