"""The folder of bundles: the pointer to the current one, the way back, and one change at a time."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from data.errors import BundleError
from models.manifest import BundleManifest, read_manifest

_REMEMBERED = 100  # steps back
_LEFTOVER = re.compile(r"\.(?:derived|[0-9a-f]{12}|current|history)[-.]\w+")


class ShelfBusyError(BundleError):
    """Another process has been changing the folder of bundles for too long."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of bundles. Whoever changes anything in it holds `lock`; readers need none.

    `current` holds the name of the directory that is served, `history` those that were served before, the newest last.
    """

    root: Path

    def current(self) -> Path:
        """Returns the directory of the current bundle.

        Raises:
            BundleError: The pointer cannot be read, or names nothing beside it.
        """
        pointer = self.root / "current"
        try:
            name = pointer.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise BundleError(
                f"no bundle to serve: {pointer} cannot be read ({reason}), expected a text file with the name of a bundle; "
                "run `make train`, or point KEFU_BUNDLE at a bundle"
            ) from error
        if not name or Path(name).name != name or name == "..":
            raise BundleError(f"{pointer} holds {name[:60]!r}, expected the name of a directory beside it; correct it")
        return self.root / name

    @contextmanager
    def lock(self, *, seconds: float) -> Iterator[None]:
        """Keeps every other process and thread from changing the folder; it is freed even if the process is killed.

        Raises:
            ShelfBusyError: Somebody else held it for all the seconds.
        """
        end = time.monotonic() + seconds
        with (self.root / ".lock").open("a") as handle:
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if time.monotonic() >= end:
                        raise ShelfBusyError(
                            f"another change of the bundles has been under way for {seconds:g} seconds; try again when it is done"
                        ) from error
                    time.sleep(0.05)
            yield

    def point_to(self, target: Path) -> None:
        """Makes a bundle the current one, and remembers the one before."""
        before = self._name()
        if before != target.name:
            # The history first: killed in between, it ends with the current bundle, which `previous` passes over.
            if before:
                self._write("history", [*self._history(), before][-_REMEMBERED:])
            self._write("current", [target.name])

    def previous(self) -> Path | None:
        """Returns the bundle that was current before, of those that still exist."""
        return next((self.root / name for name in reversed(self._history()) if self._is_way_back(name)), None)

    def step_back(self) -> None:
        """Makes the previous bundle the current one. A second step goes one further."""
        previous, history = self.previous(), self._history()
        if previous is None:
            return
        last = len(history) - 1 - history[::-1].index(previous.name)
        self._write("current", [previous.name])
        self._write("history", history[:last])

    def bundles(self) -> dict[Path, BundleManifest | BundleError]:
        """Returns the manifest of every bundle in the folder, or what is wrong with it."""
        found: dict[Path, BundleManifest | BundleError] = {}
        for path in sorted(self.root.iterdir()):
            if path.name.startswith(".") or not (path / "manifest.json").is_file():
                continue
            try:
                found[path] = read_manifest(path)
            except BundleError as error:
                found[path] = error
        return found

    def prune(self, keep: int) -> list[str]:
        """Removes the oldest versions that a change of the knowledge base made, and returns their names.

        The current bundle, the one it was made from, the way back, and what was trained all stay.
        """
        made = {
            path: manifest for path, manifest in self.bundles().items() if isinstance(manifest, BundleManifest) and manifest.parent
        }
        current, previous = self.current(), self.previous()
        needed = {current.name, previous.name if previous else "", made[current].parent if current in made else ""}
        oldest = sorted(made, key=lambda path: made[path].created)[: max(0, len(made) - keep)]
        gone = [path for path in oldest if path.name not in needed]
        for path in gone:
            shutil.rmtree(path)
        return [path.name for path in gone]

    def leftovers(self) -> list[Path]:
        """Returns what changes under way have not finished, or a process that was killed left half done."""
        return [path for path in self.root.iterdir() if _LEFTOVER.fullmatch(path.name)]

    def sweep(self) -> None:
        """Removes leftovers. Only for the holder of the lock: to all others they may be a change under way."""
        for path in self.leftovers():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def _is_way_back(self, name: str) -> bool:
        return name != self._name() and (self.root / name / "manifest.json").is_file()

    def _name(self) -> str:
        try:
            return self.current().name
        except BundleError:
            return ""

    def _history(self) -> list[str]:
        with suppress(OSError, UnicodeDecodeError):
            lines = (self.root / "history").read_text(encoding="utf-8").split("\n")
            return [line for line in lines if line and Path(line).name == line]
        return []

    def _write(self, name: str, lines: list[str]) -> None:
        """Writes a small file whole or not at all."""
        temporary = self.root / f".{name}.{os.getpid()}"
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        temporary.replace(self.root / name)
