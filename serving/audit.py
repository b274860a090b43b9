"""Writes down what admins did and tried: JSON Lines that are only ever appended to, and the log."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from serving.errors import StateError
from serving.logs import masked
from serving.operation import Call
from serving.settings import Settings

logger = logging.getLogger(__name__)


async def audit(call: Call, act: str, *, outcome: str = "ok", **facts: object) -> None:
    """Writes a line about what an admin did, and returns once it is on the disk. Call it before the answer goes out.

    Args:
        call: The request.
        act: What was done, such as "faq.replace".
        outcome: "ok", or the `type` of the error.
        **facts: What it was done to: ids, counts, versions. Personal data in them is masked.

    Raises:
        StateError: The line cannot be written.
    """
    await write(call.services.settings, act, key=call.key, request_id=call.request_id, outcome=outcome, **facts)


class Attempts:
    """Writes what failed, of strangers too: so many lines a minute and worker, and then only how many were left out."""

    def __init__(self, settings: Settings, *, per_minute: int = 60) -> None:
        self._settings = settings
        self._per_minute = per_minute
        self._minute = 0
        self._count = 0

    async def write(self, act: str, *, key: str | None, request_id: str, outcome: str) -> None:
        """Writes the line of a failed attempt.

        Raises:
            StateError: The line cannot be written.
        """
        minute, facts = int(time.monotonic() // 60), {}
        if minute != self._minute:
            facts = {"left_out": self._count - self._per_minute} if self._count > self._per_minute else {}
            self._minute, self._count = minute, 0
        self._count += 1
        if self._count <= self._per_minute:
            await write(self._settings, act, key=key, request_id=request_id, outcome=outcome, **facts)


async def write(settings: Settings, act: str, *, key: str | None, request_id: str, outcome: str, **facts: object) -> None:
    """Does the same for a request that did not become a call.

    Raises:
        StateError: The line cannot be written.
    """
    line: dict[str, object] = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "key": key, "act": act, "request_id": request_id,
            "outcome": outcome}  # fmt: skip
    line |= {name: masked(value) if isinstance(value, str) else value for name, value in facts.items()}
    logger.info("audit", extra={"fields": {name: value for name, value in line.items() if name != "time"}})
    text = json.dumps(line, ensure_ascii=False, default=str) + "\n"
    path = settings.audit or settings.state.parent / "audit.jsonl"
    try:
        await asyncio.to_thread(_append, path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise StateError(f"the audit file cannot be written ({error.strerror}); point KEFU_AUDIT at a writable file") from error


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # One write a line, so that lines of several workers never mix; for the owner's eyes only.
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line)
        os.fsync(file)
    finally:
        os.close(file)
