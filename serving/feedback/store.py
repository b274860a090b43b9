"""Reads and writes feedback."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from serving.errors import FeedbackError
from serving.feedback.database import Database
from serving.feedback.record import Feedback, Kept, Source
from serving.feedback.tables import feedback as table

logger = logging.getLogger(__name__)

_PURGE_EVERY = 600.0  # seconds
_KEY = ("request_id", "source")


class FeedbackStore:
    """The feedback of a shop. One thread at a time may use it; it opens its database when it is first used."""

    def __init__(self, target: str, *, days: float) -> None:
        """Reads where the database is.

        Args:
            target: As `Database` takes it.
            days: Age in days, since it was last changed, at which feedback is forgotten.

        Raises:
            ConfigError: The target is neither a path nor a URL of PostgreSQL.
        """
        self._database = Database(target)
        self._age = timedelta(days=days)
        self._purged = 0.0

    def upgrade(self) -> None:
        """Makes or changes the tables as this kefu needs them, and deletes what is too old.

        Raises:
            FeedbackError: The database cannot be reached or written, or a newer kefu has changed it.
        """
        self._database.upgrade()
        self.purge()

    def keep(self, given: Feedback) -> Kept:
        """Returns once the record is on the disk. It takes the place of an earlier one for the same request and source.

        Raises:
            FeedbackError: It could not be written; nothing was kept.
        """
        now = datetime.now(UTC)
        insert = postgresql.insert(table) if self._database.is_postgresql else sqlite.insert(table)
        values = asdict(given) | {"created": now, "updated": now}
        changed = {name: insert.excluded[name] for name in values if name not in {*_KEY, "created"}}
        statement = insert.values(values).on_conflict_do_update(index_elements=_KEY, set_=changed)
        with self._database.transaction() as connection:
            created, updated = connection.execute(statement.returning(table.c.created, table.c.updated)).one()
        if time.monotonic() - self._purged > _PURGE_EVERY or not self._purged:
            self._purged = time.monotonic()
            self._purge_quietly()
        return Kept(_in_utc(created), _in_utc(updated))

    def forget(self, conversation_id: str) -> int:
        """Deletes all feedback of a conversation; returns how many records there were.

        Raises:
            FeedbackError: The database cannot be reached or written.
        """
        return self._delete(table.c.conversation_id == conversation_id)

    def withdraw(self, request_id: str, source: Source) -> None:
        """Deletes one record, as if it had never been kept.

        Raises:
            FeedbackError: The database cannot be reached or written.
        """
        self._delete(sa.and_(table.c.request_id == request_id, table.c.source == source))

    def purge(self) -> int:
        """Deletes what is too old; returns how many records there were.

        Raises:
            FeedbackError: The database cannot be reached or written.
        """
        return self._delete(table.c.updated < self._oldest())

    def records(self, *, since: datetime | None = None, source: Source | None = None) -> Iterator[tuple[datetime, Feedback]]:
        """Yields the records that are not too old, each with the time of its last change; those of one request follow one another.

        Args:
            since: Only what was changed at or after this time.
            source: Only what this side said.

        Raises:
            FeedbackError: The database cannot be reached.
        """
        oldest = self._oldest()
        names = [field.name for field in fields(Feedback)]
        query = sa.select(table.c.updated, *(table.c[name] for name in names)).where(
            table.c.updated >= max(oldest, since or oldest)
        )
        if source is not None:
            query = query.where(table.c.source == source)
        query = query.order_by(table.c.request_id, table.c.source)
        with self._database.transaction(write=False) as connection:
            for row in connection.execution_options(yield_per=500).execute(query).mappings():
                yield _record(dict(row))

    def close(self) -> None:
        """Closes the database."""
        self._database.close()

    def _delete(self, which: sa.ColumnElement[bool]) -> int:
        with self._database.transaction() as connection:
            deleted = connection.execute(sa.delete(table).where(which)).rowcount
        if deleted:
            self._database.empty_log()
        return deleted

    def _purge_quietly(self) -> None:
        try:
            self.purge()
        except FeedbackError as error:  # what was given is kept all the same
            logger.error("old feedback could not be deleted, it is tried again: %s (%s)", error, error.__cause__)

    def _oldest(self) -> datetime:
        return datetime.now(UTC) - self._age


def _record(row: dict[str, Any]) -> tuple[datetime, Feedback]:
    updated = _in_utc(row.pop("updated"))
    history = tuple((speaker, text) for speaker, text in row["history"])
    lists = {name: tuple(row[name]) for name in ("intents", "predicted_intents")}
    return updated, Feedback(**(row | lists | {"history": history}))


def _in_utc(moment: datetime) -> datetime:
    """SQLite gives times back without their zone."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
