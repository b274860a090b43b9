"""Counts messages a minute of each key, or of each address without keys, for all workers of a machine together."""

from __future__ import annotations

import math
import sqlite3
import time
from pathlib import Path

from serving.errors import StateError, TooManyRequestsError
from serving.stores.sqlite import open_wal

_MINUTE = 60
_TABLE = """CREATE TABLE IF NOT EXISTS rates (
    client TEXT NOT NULL, minute INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (client, minute)) WITHOUT ROWID"""
# What is refused is not counted: a batch that did not fit leaves room for a smaller one.
_COUNT = """INSERT INTO rates SELECT :client, :minute, :cost WHERE :cost <= :limit
    ON CONFLICT (client, minute) DO UPDATE SET count = count + excluded.count WHERE count + excluded.count <= :limit RETURNING count"""


class RateLimit:
    """A fixed window of one minute. A limit of 0 counts nothing."""

    def __init__(self, path: Path, *, per_minute: int) -> None:
        """Opens or makes the table in the conversations' file, if there is a limit.

        Args:
            path: The SQLite file.
            per_minute: Messages a minute and client, for clients without a limit of their own.

        Raises:
            StateError: The file cannot be opened or written.
        """
        self._path = path
        self._limit = per_minute
        self._minute = 0
        self._connection = self._open() if per_minute else None

    def check(self, client: str, *, limit: int | None = None, cost: int = 1) -> None:
        """Counts messages, if they are within the limit.

        Args:
            client: Whose they are.
            limit: The client's own limit in messages a minute; None for the common one.
            cost: How many there are.

        Raises:
            TooManyRequestsError: With them, the client would be over the limit in this minute.
            StateError: The count cannot be kept.
        """
        limit = self._limit if limit is None else limit
        if not limit:
            return
        now = time.time()
        minute = int(now // _MINUTE)
        try:
            self._connection = self._connection or self._open()
            if minute != self._minute:
                self._connection.execute("DELETE FROM rates WHERE minute < ?", (minute,))
                self._minute = minute
            values = {"client": client, "minute": minute, "cost": cost, "limit": limit}
            counted = self._connection.execute(_COUNT, values).fetchone()
        except sqlite3.Error as error:
            raise StateError(f"the rate limit cannot be kept ({error}); try again") from error
        if counted is None:
            fewer = ", or send fewer at once" if cost > 1 else ""
            raise TooManyRequestsError(
                f"more than {limit} messages in this minute; wait for the next{fewer}, or ask the operators for a higher limit "
                "(KEFU_RATE, or the key's own)",
                retry_after=math.ceil((minute + 1) * _MINUTE - now),
            )

    def _open(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=1, isolation_level=None, check_same_thread=False)
            open_wal(connection)
            connection.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise StateError(
                f"{self._path} cannot be opened for rate limits ({error}); point KEFU_STATE at a writable file"
            ) from error
        return connection
