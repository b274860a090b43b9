"""Keeps conversations between messages: SQLite (WAL), one file that all workers of a machine share. State is JSON."""

from __future__ import annotations

import base64
import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from data.types import Speaker, Utterance
from models.analysis import Conversation, OpenSlots, PastMessage
from models.bundle import Bundle
from serving.errors import StateError

logger = logging.getLogger(__name__)

MAX_REMEMBERED = 30  # turns, and messages, that a state keeps
MAX_ANSWERS = 100  # answers kept for retries, the newest of a conversation
_SCHEMA = 2
_DAY = 86400.0
_PURGE_EVERY = 600.0  # seconds

_PURGES = (
    "DELETE FROM conversations WHERE conversation_id IN (SELECT conversation_id FROM conversations WHERE updated < ? LIMIT 2000)",
    "DELETE FROM answers WHERE request_id IN (SELECT request_id FROM answers WHERE created < ? LIMIT 2000)",
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


@dataclass(frozen=True, slots=True)
class Remembered:
    """A conversation as it was read.

    Attributes:
        conversation: Its state; an empty one when nothing is remembered.
        turn: The customer's messages so far. Unlike the state, it never stops counting.
        version: What `save` must still find; 0 when nothing is remembered.
        space: Names the model whose vectors the state holds.
    """

    conversation: Conversation
    turn: int = 0
    version: int = 0
    space: str = ""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer of /chat, to be found again.

    Attributes:
        request_id: Names the call that was answered.
        body: The answer as JSON, personal data masked.
        message_id: The client's name of the message, if it gave one: a retry gets `body` again.
    """

    request_id: str
    body: str
    message_id: str | None = None


class ConversationStore(Protocol):
    """What a store of conversations must do. Another one (Redis, say) serves many machines."""

    def get(self, conversation_id: str) -> Remembered:
        """Returns what is remembered of a conversation that has not expired."""

    def answered(self, conversation_id: str, message_id: str) -> str | None:
        """Returns the stored answer to a message, or None."""

    def answer_to(self, request_id: str) -> str | None:
        """Returns the answer (a ChatAnswer as JSON) that a call of /chat was given, or None where there is none any more."""

    def save(self, before: Remembered, after: Remembered, answer: StoredAnswer | None = None) -> bool:
        """Writes state and answer together, if the stored version is still `before.version`; returns whether it was."""


class SqliteConversations:
    """The store of one machine. Each process opens its own; one thread at a time may use it."""

    def __init__(self, path: Path, *, days: float) -> None:
        """Opens or makes the file.

        Args:
            path: The SQLite file.
            days: Age in days at which a conversation, and a stored answer, is forgotten.

        Raises:
            StateError: The file cannot be opened or written, or another version of kefu wrote it.
        """
        self._seconds = days * _DAY
        self._purged = 0.0
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
            open_wal(self._connection)
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
            "SELECT state, turn, version, space FROM conversations WHERE conversation_id = ? AND updated >= ?",
            (conversation_id, self._cutoff()),
        )
        if row is None:
            return Remembered(Conversation(conversation_id))
        state, turn, version, space = row
        try:
            return Remembered(from_json(state, conversation_id), turn, version, space)
        except (ValueError, KeyError, TypeError):
            logger.exception("a stored state could not be read, the conversation begins anew")
            return Remembered(Conversation(conversation_id), turn, version, space)

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
        values = (after.turn, after.space, to_json(after.conversation), now)
        with self._transaction() as connection:
            if before.version == 0:  # nothing there, or something that has expired
                written = connection.execute(
                    "INSERT INTO conversations (conversation_id, version, turn, space, state, updated) VALUES (?, 1, ?, ?, ?, ?) "
                    "ON CONFLICT (conversation_id) DO UPDATE SET version = 1, turn = excluded.turn, space = excluded.space, "
                    "state = excluded.state, updated = excluded.updated WHERE updated < ?",
                    (name, *values, self._cutoff()),
                )
            else:
                written = connection.execute(
                    "UPDATE conversations SET version = version + 1, turn = ?, space = ?, state = ?, updated = ? "
                    "WHERE conversation_id = ? AND version = ?",
                    (*values, name, before.version),
                )
            if written.rowcount != 1:
                return False
            if answer is not None:
                row = (answer.request_id, name, answer.message_id, after.turn, answer.body, now)
                connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)
                connection.execute("DELETE FROM answers WHERE conversation_id = ? AND turn <= ?", (name, after.turn - MAX_ANSWERS))
        self._purge(now)
        return True

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _cutoff(self) -> float:
        return time.time() - self._seconds

    def _row(self, query: str, arguments: tuple[object, ...]) -> Any:
        try:
            return self._connection.execute(query, arguments).fetchone()
        except sqlite3.Error as error:
            raise StateError(f"the conversation store cannot be read ({error}); try again") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """One writer at a time; all of it is written, or nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(f"the conversation store cannot be written ({error}); try again") from error

    def _purge(self, now: float) -> None:
        """Deletes what has expired, a little at a time."""
        if now - self._purged < _PURGE_EVERY:
            return
        self._purged = now
        with self._transaction() as connection:
            for statement in _PURGES:
                connection.execute(statement, (now - self._seconds,))


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


def to_json(conversation: Conversation) -> str:
    """Returns a state as JSON, the newest MAX_REMEMBERED turns and messages of it; vectors in base64, exact."""
    slots = conversation.open_slots
    past = conversation.past[-MAX_REMEMBERED:]
    return json.dumps(
        {
            "turns": [[turn.speaker.value, turn.text] for turn in conversation.turns[-MAX_REMEMBERED:]],
            "past": [[message.intent, message.emotion, _pack(message.vector), message.answered] for message in past],
            "misses": conversation.misses,
            "open_slots": None if slots is None else {"intent": slots.intent, "wanted": slots.wanted, "filled": slots.filled},
            "handed_off": conversation.handed_off,
            "tried": conversation.tried,
        },
        ensure_ascii=False,
    )


def from_json(text: str, conversation_id: str) -> Conversation:
    """Returns the state that `to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: The text is something else.
    """
    raw = json.loads(text)
    slots = raw["open_slots"]
    return Conversation(
        conversation_id=conversation_id,
        turns=tuple(Utterance(Speaker(speaker), words) for speaker, words in raw["turns"]),
        past=tuple(PastMessage(intent, emotion, _unpack(vector), answered) for intent, emotion, vector, answered in raw["past"]),
        misses=int(raw["misses"]),
        open_slots=None if slots is None else OpenSlots(slots["intent"], tuple(slots["wanted"]), dict(slots["filled"])),
        handed_off=bool(raw["handed_off"]),
        tried=tuple(raw["tried"]),
    )


def vector_space(bundle: Bundle) -> str:
    """Returns the name of the model that made a bundle's vectors; bundles that share the model share the space."""
    return bundle.manifest.files.get("model.onnx", bundle.manifest.bundle_version)[:16]


def fit_to(remembered: Remembered, bundle: Bundle) -> Conversation:
    """Returns a state that a bundle can work with, whatever bundle wrote it.

    Labels and slots that the bundle does not know are dropped, and vectors of another model compare to nothing.
    """
    conversation = remembered.conversation
    labels, slots = bundle.labels, conversation.open_slots
    known = {*labels.emotions, *labels.intents}
    past = tuple(message for message in conversation.past if {message.emotion, message.intent} <= known)
    if remembered.space != vector_space(bundle):
        nowhere = (0.0,) * bundle.encoder.dimension
        past = tuple(replace(message, vector=nowhere) for message in past)
    if slots is not None and (slots.intent not in labels.intents or any(name not in bundle.pack.slots for name in slots.wanted)):
        slots = None
    return replace(conversation, past=past, open_slots=slots)


def _pack(vector: tuple[float, ...]) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode("ascii")


def _unpack(text: str) -> tuple[float, ...]:
    return tuple(np.frombuffer(base64.b64decode(text), "<f4").tolist())
