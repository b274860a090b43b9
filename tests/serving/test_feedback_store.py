"""The feedback store, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from data.errors import ConfigError
from serving.errors import FeedbackError
from serving.feedback import desk, store
from serving.feedback.database import Database
from serving.feedback.record import Feedback
from serving.feedback.store import FeedbackStore
from serving.feedback.tables import VERSION_TABLE, feedback, metadata
from serving.settings import Settings
from tests.serving.postgres import PostgresServer, postgres

__all__ = ["postgres"]  # a fixture

SAID = Feedback(
    request_id="r1", source="agent", conversation_id="c1", turn=2, bundle="b1", text="那运费呢😀", history=(("user", "怎么退货"),),
    predicted_intents=("logistics.fee",), predicted_emotion="neutral", predicted_faq_id=None, decision="fallback",
    decision_reason="nothing_found", helpful=False, resolved=None, intents=("aftersale.return_shipping",), emotion="confused",
    faq_id="return_fee", answer="质量问题由我们承担\n其余由您承担", comment='引号"与\\',
)  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "not yet there" / "100% 反馈.db")
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.database()


@pytest.fixture
def kept(target: str) -> Iterator[FeedbackStore]:
    with closing(FeedbackStore(target, days=30)) as opened:
        yield opened


def said(opened: FeedbackStore, **filters: object) -> list[Feedback]:
    return [record for _, record in opened.records(**filters)]  # type: ignore[arg-type]


def test_what_is_kept_comes_back_equal(kept: FeedbackStore, target: str) -> None:
    first = kept.keep(SAID)
    assert not first.replaced and abs(first.created - datetime.now(UTC)) < timedelta(minutes=1)
    with closing(FeedbackStore(target, days=30)) as other:
        assert said(other) == [SAID]


def test_the_same_source_replaces_and_another_adds(kept: FeedbackStore) -> None:
    first = kept.keep(SAID)
    again = kept.keep(replace(SAID, helpful=True, comment=None))
    assert again.replaced and again.created == first.created and again.updated > first.updated
    kept.keep(replace(SAID, source="customer"))
    assert said(kept) == [replace(SAID, helpful=True, comment=None), replace(SAID, source="customer")]
    assert said(kept, source="customer") == [replace(SAID, source="customer")]


def test_since_counts_the_last_change(kept: FeedbackStore) -> None:
    kept.keep(SAID)
    kept.keep(replace(SAID, request_id="r2"))
    between = datetime.now(UTC)
    kept.keep(SAID)
    assert [record.request_id for record in said(kept, since=between)] == ["r1"]
    east = between.astimezone(tz=None)
    assert [record.request_id for record in said(kept, since=east)] == ["r1"]


def test_a_conversation_is_forgotten_alone(kept: FeedbackStore) -> None:
    kept.keep(SAID)
    kept.keep(replace(SAID, source="customer"))
    kept.keep(replace(SAID, request_id="r2", conversation_id="c2"))
    assert (kept.forget("c1"), kept.forget("c1")) == (2, 0)
    assert [record.conversation_id for record in said(kept)] == ["c2"]


def test_what_is_old_is_neither_read_nor_kept(kept: FeedbackStore, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)

    class Later(datetime):
        days = 0.0

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return now + timedelta(days=cls.days)

    monkeypatch.setattr(store, "datetime", Later)
    kept.keep(SAID)
    Later.days = 29.9
    assert said(kept) == [SAID]
    Later.days = 30.1
    assert said(kept) == []
    with closing(FeedbackStore(target, days=30)) as other:  # one that has not tidied up a moment ago
        other.keep(replace(SAID, request_id="r2"))
    Later.days = 0.0
    assert [record.request_id for record in said(kept)] == ["r2"]
    assert kept.purge() == 0


def test_a_busy_store_deletes_what_is_old_too(kept: FeedbackStore, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [1.0]
    monkeypatch.setattr(store.time, "monotonic", lambda: seconds[0])
    kept.keep(SAID)
    with closing(Database(target)) as database, database.transaction() as connection:
        connection.execute(sa.update(feedback).values(updated=datetime.now(UTC) - timedelta(days=31)))
    for number in range(3):  # never ten minutes without a record
        seconds[0] += 400.0
        kept.keep(replace(SAID, request_id=f"n{number}"))
    with closing(Database(target)) as database, database.transaction() as connection:
        assert list(connection.scalars(sa.select(feedback.c.request_id).order_by("request_id"))) == ["n0", "n1", "n2"]


def test_one_record_is_withdrawn(kept: FeedbackStore) -> None:
    kept.keep(SAID)
    kept.keep(replace(SAID, source="customer"))
    kept.withdraw("r1", "customer")
    assert said(kept) == [SAID]


def test_what_is_deleted_is_not_left_in_the_files(tmp_path: Path) -> None:
    with closing(FeedbackStore(str(tmp_path / "feedback.db"), days=30)) as opened:
        opened.keep(replace(SAID, comment="GONE-" * 50))
        opened.keep(replace(SAID, request_id="r2", conversation_id="c2"))
        opened.forget("c1")
        assert not any(b"GONE-" in path.read_bytes() for path in tmp_path.iterdir())


def test_many_writers_lose_nothing(target: str) -> None:
    def write(worker: int) -> None:
        with closing(FeedbackStore(target, days=30)) as own:
            for number in range(10):
                own.keep(replace(SAID, request_id=f"{worker}-{number}"))

    with ThreadPoolExecutor(4) as pool:  # none has made the tables
        list(pool.map(write, range(4)))
    with closing(FeedbackStore(target, days=30)) as reader:
        assert len(said(reader)) == 40


def test_migrations_make_what_the_code_expects(target: str) -> None:
    with closing(Database(target)) as database:
        database.upgrade()
        database.upgrade()
        with database.transaction() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            assert compare_metadata(context, metadata) == []


def test_a_failed_migration_leaves_nothing(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(Database(target)) as database:
        with monkeypatch.context() as patch:
            patch.setattr("alembic.op.create_index", lambda *_: sa.inspect(None))
            with pytest.raises(sa.exc.NoInspectionAvailable):
                database.upgrade()
        with database.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(feedback)) == 0


def test_the_database_of_a_newer_kefu_is_refused(kept: FeedbackStore, target: str) -> None:
    kept.keep(SAID)
    with closing(Database(target)) as database, database.transaction() as connection:
        connection.execute(sa.text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with closing(FeedbackStore(target, days=30)) as older, pytest.raises(FeedbackError, match="9999"):
        older.keep(SAID)


def test_several_upgrade_at_once(target: str) -> None:
    command = [sys.executable, "-m", "serving.feedback", "upgrade"]
    environment = {"KEFU_FEEDBACK": target, "PATH": "/usr/bin:/bin"}
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert (process.returncode, errors) == (0, "")


def test_sqlite_waits_for_the_disk(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "f.db"))
    with closing(database), database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


def test_a_full_disk_keeps_nothing_and_passes(tmp_path: Path) -> None:
    path = tmp_path / "f.db"
    with closing(FeedbackStore(str(path), days=30)) as kept:
        kept.keep(SAID)
        pages = sqlite3.connect(path).execute("PRAGMA page_count").fetchone()[0]

        def limit(connection: sqlite3.Connection, _: object) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        engine = kept._database.engine
        engine.dispose()
        sa.event.listen(engine, "connect", limit)
        with pytest.raises(FeedbackError, match="not kept"):
            kept.keep(replace(SAID, request_id="r2", comment="长" * 5000))
        sa.event.remove(engine, "connect", limit)
        kept.keep(replace(SAID, request_id="r3"))
        assert [record.request_id for record in said(kept)] == ["r1", "r3"]


def test_a_locked_file_is_an_error_and_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.feedback.database._WAIT", 0.2)
    path = tmp_path / "f.db"
    with closing(FeedbackStore(str(path), days=30)) as kept, closing(sqlite3.connect(path, isolation_level=None)) as holder:
        kept.keep(SAID)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(FeedbackError) as caught:
            kept.keep(SAID)
        assert "locked" in str(caught.value.__cause__)
        holder.execute("COMMIT")
        kept.keep(SAID)


def test_postgresql_goes_and_comes_back(postgres: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    with closing(FeedbackStore(postgres.database(), days=30)) as kept:
        kept.keep(SAID)
        postgres.stop()
        try:
            with pytest.raises(FeedbackError):
                kept.keep(replace(SAID, request_id="r2"))
            desk.prepare_feedback(Settings(feedback=postgres.url()))  # reports, and lets the service start
            assert "503" in caplog.text and "tests" not in caplog.text
        finally:
            postgres.start()
        assert kept.keep(replace(SAID, request_id="r3")).replaced is False
        assert [record.request_id for record in said(kept)] == ["r1", "r3"]


def test_no_password_is_told(postgres: PostgresServer) -> None:
    with closing(FeedbackStore(postgres.url("hunter2%21"), days=30)) as kept, pytest.raises(FeedbackError) as caught:
        kept.keep(SAID)
    told = f"{caught.value} {caught.value.__cause__!r}"
    assert "password authentication failed" in told and "hunter2" not in told and SAID.text not in told
    assert "hunter2" not in repr(Settings(feedback="postgresql://kefu:hunter2@db/kefu"))


@pytest.mark.parametrize(
    "target",
    ["postgresql://kefu:hunter2@db:port/kefu", "postgresql://kefu:hunter2@db:5432", "mysql://kefu:hunter2@db/kefu",
     "postgresql://kefu:hunter2@db", "postgresql+asyncpg://kefu:hunter2@db/kefu", "://hunter2"],
)  # fmt: skip
def test_bad_urls_are_refused_without_their_password(target: str) -> None:
    with pytest.raises(ConfigError, match="KEFU_FEEDBACK is neither") as caught:
        desk.check_target(Settings(feedback=target))
    assert "ter2" not in str(caught.value) and caught.value.__cause__ is None


def test_errors_of_the_store_are_logged_without_words(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(FeedbackStore(str(tmp_path / "f.db"), days=30)) as kept, caplog.at_level(logging.DEBUG):
        kept.keep(SAID)
        with pytest.raises(FeedbackError) as caught:
            kept.keep(replace(SAID, conversation_id=None))  # type: ignore[arg-type]
    assert "NOT NULL" in repr(caught.value.__cause__) and "运费" not in repr(caught.value.__cause__) + caplog.text
