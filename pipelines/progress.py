"""Progress on the terminal: a bar where somebody watches, a line now and then where the output goes to a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Wide where the output goes to a file, so that tables stay legible.
console = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else 132)
_SECONDS_BETWEEN_LINES = 15.0


class Bar:
    """A bar that `update` moves."""

    def __init__(self, progress: Progress | None, name: str) -> None:
        self._progress = progress
        self._task = progress.add_task(name, total=None, note="") if progress is not None else None
        self._name = name
        self._last = 0.0

    def update(self, done: int, total: int, note: str = "") -> None:
        """Shows that `done` of `total` steps are behind us."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total, note=note)
        elif time.monotonic() - self._last > _SECONDS_BETWEEN_LINES or done == total:
            self._last = time.monotonic()
            console.print(f"  {self._name}: {done}/{total}  {note}")


@contextmanager
def progress_bar(name: str) -> Iterator[Bar]:
    """Opens a bar for one long job."""
    if not sys.stderr.isatty():
        yield Bar(None, name)
        return
    columns = (
        TextColumn("  {task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Bar(progress, name)
