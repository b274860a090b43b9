"""Conversations in SQLite (WAL): one file that all workers of a machine share."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from models.analysis import Conversation
from serving.conversations import MAX_ANSWERS, Remembered, StoredAnswer, from_json, new_version, to_json
from serving.errors import StateError

logger = logging.getLogger(__name__)

_SCHEMA = 2
_DAY = 86400.0
_WAIT = 2.0  # seconds for another worker to end its transaction; all else of this worker waits as well
_EMPTYING = 0.5  # seconds that a deletion waits for the log to be emptied
_LOG_PAGES = 20_000  # of 4 KB; a log that long is moved at once, should `tidy` not be called
_CHUNK = 500  # rows deleted at once: other workers write in between

_PURGES = (
    "DELETE FROM conversations WHERE conversation_id IN (SELECT conversation_id FROM conversations WHERE updated < ? LIMIT ?)",
    "DELETE FROM answers WHERE request_id IN (SELECT request_id FROM answers WHERE created < ? LIMIT ?)",
)
_TABLES = """
CREATE TABLE IF NOT EXISTS conversations (
    conversation_id TEXT PRIMARY KEY, version INTEGER NOT NULL, turn INTEGER NOT NULL, space TEXT NOT NULL, state TEXT NOT NULL,
    updated REAL NOT NULL);
CREATE INDEX IF NOT EXISTS conversations_by_age ON conversations (updated);
CREATE TABLE IF NOT EXISTS answers (
    request_id TEXT PRIMARY KEY, conversation_id TEXT NOT NULL, message_id TEXT, turn INTEGER NOT NULL, answer TEXT NOT NULL,
    created REAL NOT NULL) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS answers_by_message ON answers (conversation_id, message_id);
CREATE INDEX IF NOT EXISTS answers_by_age ON answers (created);
"""
# Schema 1 kept answers to messages with an id only, and found them by that id only.
_FROM_1 = (
    "ALTER TABLE answers RENAME TO answers_1",
    "DROP INDEX answers_by_age",
    *_TABLES.split(";"),
    "INSERT OR REPLACE INTO answers SELECT json_extract(answer, '$.request_id'), conversation_id, message_id, turn, answer, created "
    "FROM answers_1 WHERE json_extract(answer, '$.request_id') IS NOT NULL",
    "DROP TABLE answers_1",
)


class SqliteConversations:
    """The store of one machine. Each process opens its own; its threads take turns."""

    def __init__(self, path: Path, *, days: float) -> None:
        """Opens or makes the file.

        Args:
            path: The SQLite file.
            days: Age in days at which a conversation, and a stored answer, is forgotten.

        Raises:
            StateError: The file cannot be opened or written, or another version of kefu wrote it.
        """
        self._seconds = days * _DAY
        self._using, self._tidying = threading.RLock(), threading.Lock()
        self._log_holds_deleted = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_WAIT, isolation_level=None, check_same_thread=False)
            open_wal(self._connection)
            self._connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
            self._tidier = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA secure_delete = ON")  # zeros over what is deleted
            with self._transaction():
                (found,) = self._connection.execute("PRAGMA user_version").fetchone()
                if found not in (0, 1, _SCHEMA):
                    raise StateError(f"{path} has schema {found}, this kefu writes {_SCHEMA}; move it away or set KEFU_STATE")
                for statement in _FROM_1 if found == 1 else _TABLES.split(";"):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version = {_SCHEMA}")
        except (OSError, sqlite3.Error) as error:
            raise StateError(f"{path} cannot be opened for conversations ({error}); point KEFU_STATE at a writable file") from error

    def get(self, conversation_id: str) -> Remembered:
        """Returns what is remembered of a conversation that has not expired."""
        row = self._row(
            "SELECT state, turn, version, space, updated FROM conversations WHERE conversation_id = ? AND updated >= ?",
            (conversation_id, self._cutoff()),
        )
        if row is None:
            return Remembered(Conversation(conversation_id))
        state, turn, version, space, updated = row
        try:
            return Remembered(from_json(state, conversation_id), turn, version, space, updated)
        except (ValueError, KeyError, TypeError):
            logger.exception("a stored state could not be read, the conversation begins anew")
            return Remembered(Conversation(conversation_id), turn, version, space, updated)

    def answered(self, conversation_id: str, message_id: str) -> str | None:
        """Returns the stored answer to a message, or None."""
        row = self._row(
            "SELECT answer FROM answers WHERE conversation_id = ? AND message_id = ? AND created >= ?",
            (conversation_id, message_id, self._cutoff()),
        )
        return None if row is None else str(row[0])

    def answer_to(self, request_id: str) -> str | None:
        """Returns the answer (a ChatAnswer as JSON) that a call of /chat was given, or None where there is none any more."""
        row = self._row("SELECT answer FROM answers WHERE request_id = ? AND created >= ?", (request_id, self._cutoff()))
        return None if row is None else str(row[0])

    def save(self, before: Remembered, after: Remembered, answer: StoredAnswer | None = None) -> bool:
        """Writes state and answer together, if the stored version is still `before.version`; returns whether it was."""
        name, now = before.conversation.conversation_id, time.time()
        values = (new_version(), after.turn, after.space, to_json(after.conversation), now)
        with self._transaction() as connection:
            if before.version == 0:  # nothing there, or something that has expired
                written = connection.execute(
                    "INSERT INTO conversations (conversation_id, version, turn, space, state, updated) VALUES (?, ?, ?, ?, ?, ?) "
                    "ON CONFLICT (conversation_id) DO UPDATE SET version = excluded.version, turn = excluded.turn, "
                    "space = excluded.space, state = excluded.state, updated = excluded.updated WHERE updated < ?",
                    (name, *values, self._cutoff()),
                )
            else:
                written = connection.execute(
                    "UPDATE conversations SET version = ?, turn = ?, space = ?, state = ?, updated = ? "
                    "WHERE conversation_id = ? AND version = ?",
                    (*values, name, before.version),
                )
            if written.rowcount != 1:
                return False
            if answer is not None:
                row = (answer.request_id, name, answer.message_id, after.turn, answer.body, now)
                connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
                connection.execute("DELETE FROM answers WHERE conversation_id = ? AND turn <= ?", (name, after.turn - MAX_ANSWERS))
        return True

    def delete(self, conversation_id: str) -> bool:
        """Deletes state and answers of a conversation; returns whether there was something."""
        with self._transaction() as connection:
            state = connection.execute("DELETE FROM conversations WHERE conversation_id = ?", (conversation_id,))
            answers = connection.execute("DELETE FROM answers WHERE conversation_id = ?", (conversation_id,))
        self._empty_log()
        return state.rowcount + answers.rowcount > 0

    def purge(self) -> None:
        """Deletes what has expired, a little at a time."""
        for statement in _PURGES:
            deleted = _CHUNK
            while deleted == _CHUNK:
                with self._transaction() as connection:
                    deleted = connection.execute(statement, (self._cutoff(), _CHUNK)).rowcount
        self._empty_log()

    def check(self) -> None:
        """Raises StateError unless the file can be written."""
        with self._transaction():
            pass

    def tidy(self) -> None:
        """Moves the log into the file, which else a message would do, and wait for the disk meanwhile."""
        with self._tidying, suppress(sqlite3.Error):  # locked by another worker, or closed: the next second will do
            how = "TRUNCATE" if self._log_holds_deleted else "PASSIVE"
            (busy, *_) = self._tidier.execute(f"PRAGMA wal_checkpoint({how})").fetchone()
            self._log_holds_deleted = self._log_holds_deleted and bool(busy)

    def close(self) -> None:
        """Closes the file."""
        with self._tidying:
            self._tidier.close()
        self._connection.close()

    def _cutoff(self) -> float:
        return time.time() - self._seconds

    def _row(self, query: str, arguments: tuple[object, ...]) -> Any:
        # A second thread inside the connection would hold the interpreter's lock while it waits for the first, which waits for another
        # writer's transaction, which needs the interpreter's lock: nothing moves until `_WAIT` is over.
        try:
            with self._using:
                return self._connection.execute(query, arguments).fetchone()
        except sqlite3.Error as error:
            raise StateError(f"the conversation store cannot be read ({error}); try again") from error

    @contextmanager
    def together(self) -> Iterator[None]:
        """Makes one transaction of the saves within: one commit for several conversations."""
        with self._transaction():
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; all of it is written, or nothing."""
        with self._using:
            if self._connection.in_transaction:  # the one of `together`, of this thread
                yield self._connection
                return
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise StateError(f"the conversation store cannot be written ({error}); try again") from error

    def _empty_log(self) -> None:
        """Moves the write-ahead log into the file, or what was deleted would stay readable in it."""
        end = time.monotonic() + _EMPTYING
        with self._tidying:
            while busy := self._row("PRAGMA wal_checkpoint(TRUNCATE)", ())[
                0
            ]:  # another worker is moving it: no error, nothing done
                if time.monotonic() > end:
                    break
                time.sleep(0.01)
            self._log_holds_deleted = bool(busy)  # then `tidy` tries again


def open_wal(connection: sqlite3.Connection) -> None:
    """Puts a connection into WAL mode; workers that start together may be in each other's way for a moment."""
    for attempt in range(50):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if attempt == 49:
                raise
            time.sleep(0.05)
    # A power cut may lose the last messages; the file stays whole.
    connection.execute("PRAGMA synchronous = NORMAL")
