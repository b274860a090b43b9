"""Counts requests a minute and client, for all workers of a machine together."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from serving.errors import StateError, TooManyRequestsError
from serving.stores.sqlite import open_wal

_TABLE = """CREATE TABLE IF NOT EXISTS rates (
    client TEXT NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (client, minute)) WITHOUT ROWID"""


class RateLimit:
    """A fixed window of one minute. A limit of 0 counts nothing."""

    def __init__(self, path: Path, *, per_minute: int) -> None:
        """Opens or makes the table in the conversations' file.

        Raises:
            StateError: The file cannot be opened or written.
        """
        self._limit = per_minute
        self._minute = 0
        if not per_minute:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=1, isolation_level=None, check_same_thread=False)
            open_wal(self._connection)
            self._connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{path} cannot be opened for rate limits ({error}); point KEFU_STATE at a writable file") from error

    def check(self, client: str) -> None:
        """Counts a request.

        Raises:
            TooManyRequestsError: The client is over the limit in this minute.
            StateError: The count cannot be kept.
        """
        if not self._limit:
            return
        minute = int(time.time() // 60)
        try:
            if minute != self._minute:
                self._connection.execute("DELETE FROM rates WHERE minute < ?", (minute,))
                self._minute = minute
            (count,) = self._connection.execute(
                "INSERT INTO rates VALUES (?, ?, 1) ON CONFLICT (client, minute) DO UPDATE SET count = count + 1 RETURNING count",
                (client, minute),
            ).fetchone()
        except sqlite3.Error as error:
            raise StateError(f"the rate limit cannot be kept ({error}); try again") from error
        if count > self._limit:
            raise TooManyRequestsError(f"more than {self._limit} requests in this minute; wait for the next, or raise KEFU_RATE")
