"""Opens the feedback database, a SQLite file or PostgreSQL by its URL, and keeps its tables up to date."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from data.errors import ConfigError
from data.masking import mask_pii
from serving.errors import FeedbackError
from serving.feedback.tables import REVISION, VERSION_TABLE
from serving.stores.sqlite import open_wal

logger = logging.getLogger(__name__)

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x6B656675  # "kefu"; of those that start together, one changes the tables
_WAIT = 5  # seconds for a connection, or for another writer
_EMPTYING = 0.5  # seconds that a deletion waits for the log to be emptied
_ASKED_TO = "the feedback store cannot be used now, and this was not kept; send it again"


class Database:
    """Transactions on the feedback database. Opens at the first one, and again after a failure."""

    def __init__(self, target: str) -> None:
        """Reads where the database is; connects to nothing yet.

        Args:
            target: The path of a SQLite file, or a URL such as `postgresql://user:password@host:5432/kefu`.

        Raises:
            ConfigError: The target is neither. The message does not repeat it: it may hold a password.
        """
        self.engine = _postgresql(target) if "://" in target else _sqlite(Path(target))
        self.is_postgresql = self.engine.dialect.name == "postgresql"
        self._checked = False

    @contextmanager
    def transaction(self, *, write: bool = True) -> Iterator[sa.Connection]:
        """Yields a connection; what was written is on the disk when the block ends, or an error is raised.

        Raises:
            FeedbackError: The database cannot be reached or written. The next transaction tries anew.
        """
        with self._described():
            if not self._checked:
                self._check()
            with self.engine.connect().execution_options(kefu_write=write) as connection, connection.begin():
                yield connection

    def upgrade(self) -> None:
        """Brings the tables to the newest migration, whoever else tries at the same time.

        Raises:
            FeedbackError: The database cannot be reached or written, or a newer kefu has changed it.
        """
        with self._described():
            self._upgrade()

    def empty_log(self) -> None:
        """Moves SQLite's log into its file, or what was deleted would stay readable in it; PostgreSQL looks after its own.

        Raises:
            FeedbackError: The file cannot be written.
        """
        if not self.is_postgresql:
            with self._described(), self.engine.connect() as connection:
                driver: Any = connection.connection.driver_connection  # SQLAlchemy would begin a transaction, which is in the way
                try:
                    end = time.monotonic() + _EMPTYING
                    # Another worker may be moving the log: that is no error, and nothing is done.
                    while driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] and time.monotonic() < end:
                        time.sleep(0.01)
                except sqlite3.Error as error:
                    raise FeedbackError(_ASKED_TO) from RuntimeError(str(error))

    def close(self) -> None:
        """Closes the connections."""
        self.engine.dispose()

    def _check(self) -> None:
        if self._revision() != REVISION:
            self._upgrade()
        self._checked = True

    def _revision(self) -> str | None:
        with self.engine.connect().execution_options(kefu_write=False) as connection, connection.begin():
            if not sa.inspect(connection).has_table(VERSION_TABLE):
                return None
            return connection.scalar(sa.select(sa.column("version_num")).select_from(sa.table(VERSION_TABLE)))

    def _upgrade(self) -> None:
        from alembic import command  # heavy, and rarely needed
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
        with self.engine.connect() as connection, connection.begin():
            if self.is_postgresql:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise FeedbackError(
                    f"the feedback database is not one that this kefu knows ({error}); use the kefu that wrote it, or set KEFU_FEEDBACK"
                ) from error

    @contextmanager
    def _described(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError, OSError) as error:
            self._checked = False
            self.engine.dispose()
            # The driver's words, without the statement and its values; they name no password, but may name hosts: for the log.
            cause = str(getattr(error, "orig", error)).strip().split("\n")[0]
            raise FeedbackError(_ASKED_TO) from RuntimeError(mask_pii(self._without_password(cause)))

    def _without_password(self, text: str) -> str:
        password = self.engine.url.password
        return text.replace(str(password), "***") if password else text


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        connect_args={"timeout": _WAIT, "check_same_thread": False},
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "do_connect")
    def make_folder(*_: object) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)

    @sa.event.listens_for(engine, "connect")
    def settle(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions are begun below; Python's driver would begin none for DDL
        open_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # what is committed survives a power cut
        connection.execute("PRAGMA secure_delete = ON")  # zeros over what is deleted

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        write = connection.get_execution_options().get("kefu_write", True)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine


def _postgresql(target: str) -> sa.Engine:
    try:
        url = sa.make_url(target)
        if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"} or not url.host or not url.database:
            raise ValueError
        arguments: dict[str, Any] = {"connect_timeout": _WAIT, "tcp_user_timeout": _WAIT * 1000, "application_name": "kefu"}
        arguments = {name: value for name, value in arguments.items() if name not in url.query}
        engine = sa.create_engine(
            url.set(drivername="postgresql+psycopg"), connect_args=arguments, pool_pre_ping=True, pool_size=1, hide_parameters=True
        )
    except (ArgumentError, ValueError):
        raise ConfigError(
            "KEFU_FEEDBACK is neither a path nor a URL that can be read, expected postgresql://user:password@host:5432/name; correct it, "
            "with signs such as @ : / in the password percent-encoded"
        ) from None

    @sa.event.listens_for(engine, "connect")
    def settle(connection: Any, _: object) -> None:
        # Whatever the server's defaults: acknowledged means on its disk, and nothing hangs for long.
        connection.execute("SET synchronous_commit = on")
        connection.execute(f"SET statement_timeout = {_WAIT * 2000}")
        connection.commit()

    return engine
