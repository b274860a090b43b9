"""The stores, one suite over all of them: what is kept, for how long, and that two workers or replicas never lose a message."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from data.errors import ConfigError
from data.types import Speaker, Utterance
from models.analysis import Conversation
from serving import conversations
from serving.bench import free_port
from serving.conversations import ConversationStore, Remembered, StoredAnswer, to_json
from serving.errors import StateError
from serving.settings import Settings
from serving.stores import check_store, purge_store
from serving.stores import redis as redis_store
from serving.stores import sqlite as sqlite_store
from serving.stores.redis import RedisConversations
from serving.stores.sqlite import SqliteConversations
from tests.serving.conftest import OpenStore
from tests.serving.redis_server import PASSWORD, RedisServer
from tests.serving.test_conversations import FULL

SECOND = 1 / 86400  # days


def test_an_empty_store_remembers_nothing(connect: OpenStore) -> None:
    store = connect()
    store.check()
    assert store.get("c1") == Remembered(Conversation("c1"))
    assert store.answered("c1", "m1") is None and store.answer_to("r1") is None and not store.delete("c1")


def test_two_replicas_share_state_and_answers(connect: OpenStore) -> None:
    one, other = connect(), connect()
    before, began = one.get("c1"), time.time()
    assert one.save(before, Remembered(FULL, 1, space="s"), StoredAnswer("r1", '{"a": "一"}', "m1"))
    read = other.get("c1")
    assert (read.turn, read.space) == (1, "s") and read.version != 0 and began <= read.updated <= time.time()
    assert to_json(read.conversation) == to_json(FULL) and read.conversation.conversation_id == "c1"
    assert other.answered("c1", "m1") == other.answer_to("r1") == '{"a": "一"}'
    assert other.answered("c1", "m2") is None and other.answered("c2", "m1") is None and other.answer_to("r2") is None
    assert other.save(read, Remembered(FULL, 2), StoredAnswer("r2", "{}"))
    assert one.answer_to("r2") == "{}" and one.answered("c1", "") is None and one.get("c1").turn == 2


def test_of_two_writers_with_the_same_version_one_is_refused_whole(connect: OpenStore) -> None:
    one, other = connect(), connect()
    for turn in (1, 2):  # a new conversation, and one that exists
        first, second = one.get("c1"), other.get("c1")
        assert first.version == second.version
        assert one.save(first, Remembered(FULL, turn), StoredAnswer(f"kept{turn}", "{}", f"kept{turn}"))
        assert not other.save(second, Remembered(FULL, turn), StoredAnswer(f"lost{turn}", "{}", f"lost{turn}"))
        assert other.answered("c1", f"lost{turn}") is None and other.answer_to(f"lost{turn}") is None


@pytest.mark.parametrize("opened", [4, 2], ids=["a store for each thread", "two threads to a store"])
def test_concurrent_writers_lose_no_update(connect: OpenStore, opened: int) -> None:
    stores = [connect() for _ in range(opened)]

    def work(store: ConversationStore) -> None:
        for _ in range(25):
            while True:
                before = store.get("c1")
                if store.save(before, Remembered(FULL, before.turn + 1)):
                    break

    threads = [threading.Thread(target=work, args=(stores[number % opened],)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert connect().get("c1").turn == 100


def test_what_is_old_is_forgotten(connect: OpenStore) -> None:
    store = connect(days=0.5 * SECOND)
    old = store.get("c1")
    store.save(old, Remembered(FULL, 7), StoredAnswer("r1", "{}", "m1"))
    assert store.get("c1").turn == 7 and store.answered("c1", "m1") == "{}"
    time.sleep(0.6)
    assert store.get("c1").turn == 0 and store.answered("c1", "m1") is None and store.answer_to("r1") is None
    assert store.save(store.get("c1"), Remembered(FULL, 1), StoredAnswer("r2", '"new"', "m1"))  # takes the place of the old one
    assert store.get("c1").turn == 1 and store.answered("c1", "m1") == '"new"'


def test_deleting_leaves_nothing_and_stops_who_read_before(connect: OpenStore) -> None:
    one, other = connect(), connect()
    for name in ("c1", "c2"):
        one.save(one.get(name), Remembered(FULL, 1), StoredAnswer(f"r-{name}", "{}", "m1"))
    read = other.get("c1")
    assert one.delete("c1") and not one.delete("c1")
    assert other.get("c1").version == 0 and other.answered("c1", "m1") is None and other.answer_to("r-c1") is None
    assert other.answer_to("r-c2") == "{}" and other.get("c2").turn == 1
    assert not other.save(read, Remembered(FULL, 2))
    assert one.save(one.get("c1"), Remembered(FULL, 1)), "it begins anew"
    assert not other.save(read, Remembered(FULL, 2)), "what was deleted must not come back over what began anew"


def test_answers_of_one_conversation_are_limited(connect: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (redis_store, sqlite_store):
        monkeypatch.setattr(module, "MAX_ANSWERS", 3)
    store = connect()
    for turn in range(1, 6):
        message = None if turn == 4 else f"m{turn}"
        store.save(store.get("c1"), Remembered(FULL, turn), StoredAnswer(f"r{turn}", "{}", message))
    assert [store.answer_to(f"r{turn}") is not None for turn in range(1, 6)] == [False, False, True, True, True]
    assert [store.answered("c1", f"m{turn}") is not None for turn in range(1, 6)] == [False, False, True, False, True]


# SQLite ---------------------------------------------------------------------------------------------------------------


def test_what_expired_or_was_deleted_is_gone_from_the_file(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path / "state.db", state_days=0.5 * SECOND)
    store = SqliteConversations(settings.state, days=1)
    words = "紫色的大象"
    state = conversations.from_json(to_json(FULL).replace("怎么退", words), "c1")
    for number in range(600):  # more than are deleted at once
        store.save(store.get(f"c{number}"), Remembered(state, 1), StoredAnswer(f"r{number}", f'"{words}"', "m"))
    assert words.encode() in _bytes(tmp_path)
    time.sleep(0.6)
    purge_store(settings)
    assert words.encode() not in _bytes(tmp_path)
    with sqlite3.connect(settings.state) as connection:
        for table in ("conversations", "answers"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)
    store.save(store.get("c"), Remembered(state, 1), StoredAnswer("r", f'"{words}"', "m"))
    assert words.encode() in _bytes(tmp_path) and store.delete("c")
    assert words.encode() not in _bytes(tmp_path)
    store.close()


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("state.db*"))


def test_damaged_state_begins_anew_and_can_be_written(tmp_path: Path) -> None:
    store = SqliteConversations(tmp_path / "state.db", days=1)
    store.save(store.get("c1"), Remembered(FULL, 3))
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE conversations SET state = '{\"turns\": 5}'")
    read = store.get("c1")
    assert read.conversation == Conversation("c1") and read.turn == 3
    assert store.save(read, Remembered(FULL, 4)) and store.get("c1").turn == 4


def test_a_commit_that_fails_writes_nothing_and_the_next_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk(sqlite3.Connection):
        full = False

        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if sql == "COMMIT" and self.full:
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *arguments)

    monkeypatch.setattr(sqlite_store.sqlite3, "connect", partial(sqlite3.connect, factory=Disk))
    store, other = (SqliteConversations(tmp_path / "state.db", days=1) for _ in range(2))
    before = store.get("c1")
    Disk.full = True
    with pytest.raises(StateError, match="disk I/O error"):
        store.save(before, Remembered(FULL, 1), StoredAnswer("r1", "{}", "m1"))
    with pytest.raises(StateError), store.together():
        for name in ("c1", "c2"):
            store.save(Remembered(Conversation(name)), Remembered(FULL, 1), StoredAnswer(name, "{}"))
    Disk.full = False
    for reader in (store, other):
        assert reader.get("c1").version == reader.get("c2").version == 0
        assert reader.answered("c1", "m1") is None and reader.answer_to("c2") is None
    assert store.save(before, Remembered(FULL, 1), StoredAnswer("r1", "{}", "m1")) and other.get("c1").turn == 1


SCHEMA_1 = """
CREATE TABLE conversations (
    conversation_id TEXT PRIMARY KEY, version INTEGER NOT NULL, turn INTEGER NOT NULL, space TEXT NOT NULL, state TEXT NOT NULL,
    updated REAL NOT NULL);
CREATE INDEX conversations_by_age ON conversations (updated);
CREATE TABLE answers (
    conversation_id TEXT NOT NULL, message_id TEXT NOT NULL, turn INTEGER NOT NULL, answer TEXT NOT NULL, created REAL NOT NULL,
    PRIMARY KEY (conversation_id, message_id)) WITHOUT ROWID;
CREATE INDEX answers_by_age ON answers (created);
PRAGMA user_version = 1;
"""


def test_a_file_of_schema_1_keeps_its_answers(tmp_path: Path) -> None:
    now = time.time()
    with sqlite3.connect(tmp_path / "state.db") as old:
        old.executescript(SCHEMA_1)
        old.execute("INSERT INTO conversations VALUES ('c1', 1, 7, 's', ?, ?)", (to_json(FULL), now))
        old.execute("INSERT INTO answers VALUES ('c1', 'm1', 7, ?, ?)", ('{"request_id": "r1"}', now))
    for _ in range(2):
        store = SqliteConversations(tmp_path / "state.db", days=1)
        assert store.answered("c1", "m1") == store.answer_to("r1") == '{"request_id": "r1"}'
        assert store.get("c1").turn == 7
        store.close()


def test_unusable_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StateError, match="KEFU_STATE"):
        SqliteConversations(tmp_path / "file" / "state.db", days=1)
    (tmp_path / "text.db").write_text("this is no database, whatever its name says " * 30)
    with pytest.raises(StateError, match=r"text\.db"):
        SqliteConversations(tmp_path / "text.db", days=1)
    with sqlite3.connect(tmp_path / "new.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="schema 99"):
        SqliteConversations(tmp_path / "new.db", days=1)


# Redis ----------------------------------------------------------------------------------------------------------------


def test_everything_in_redis_expires(redis_server: RedisServer) -> None:
    store = RedisConversations(redis_server.emptied(), days=1)
    for turn in (1, 2):
        store.save(store.get("c1"), Remembered(FULL, turn), StoredAnswer(f"r{turn}", "{}", f"m{turn}"))
    with redis.Redis.from_url(redis_server.url) as client:
        lifetimes = [client.pttl(key) for key in client.scan_iter()]
    assert len(lifetimes) == 5 and all(86_300_000 < left <= 86_400_000 for left in lifetimes)
    assert store.delete("c1")
    with redis.Redis.from_url(redis_server.url) as client:
        assert list(client.scan_iter()) == []
    store.close()


def test_redis_that_is_away_costs_no_time_and_comes_back(redis_server: RedisServer) -> None:
    store = RedisConversations(redis_server.emptied(), days=1)
    assert store.save(store.get("c1"), Remembered(FULL, 1))
    redis_server.stop()
    try:
        for _ in range(3):
            began = time.monotonic()
            with pytest.raises(StateError, match="try again"):
                store.get("c1")
            assert time.monotonic() - began < 2
    finally:
        redis_server.start()
    with pytest.raises(StateError):
        store.get("c1")  # it rests for a second
    time.sleep(1.1)
    assert store.save(store.get("c1"), Remembered(FULL, 1)) and store.get("c1").turn == 1
    redis_server.stop()
    redis_server.start()
    assert store.get("c1").turn == 0, "a connection that broke while nobody asked is made anew at once"
    store.close()


def test_redis_that_does_not_answer_is_no_hang(redis_server: RedisServer) -> None:
    store = RedisConversations(redis_server.emptied(), days=1)
    store.check()
    with redis_server.frozen():
        began = time.monotonic()
        for _ in range(50):
            with pytest.raises(StateError):
                store.get("c1")
        assert time.monotonic() - began < 4
    time.sleep(1.1)
    assert store.get("c1").turn == 0
    store.close()


def test_a_save_sent_twice_counts_once(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisConversations(redis_server.emptied(), days=1)
    before = store.get("c1")
    monkeypatch.setattr(redis_store, "new_version", lambda: 5)
    assert store.save(before, Remembered(FULL, 1)) and store.save(before, Remembered(FULL, 1))
    monkeypatch.setattr(redis_store, "new_version", lambda: 7)
    assert not store.save(before, Remembered(FULL, 1))
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://:{secret}@127.0.0.1:{port}/0",  # wrong password
        "redis://:{secret}@127.0.0.1:1/0",  # nobody there
        "redis://:{secret}/x@127.0.0.1:{port}/0",  # cannot be parsed
        "http://:{secret}@127.0.0.1",
    ],
)
def test_the_password_is_never_shown(redis_server: RedisServer, url: str, caplog: pytest.LogCaptureFixture) -> None:
    secret = "hush-Hush-42"
    written = url.format(secret=secret, port=redis_server.port)
    with pytest.raises((StateError, ConfigError)) as caught:
        check_store(Settings.from_environment({"KEFU_STATE_URL": written}))
    error: BaseException | None = caught.value
    shown = [str(error), repr(Settings(state_url=written)), caplog.text]
    while error is not None and not error.__suppress_context__:
        error = error.__cause__ or error.__context__
        shown.append(str(error))
    assert secret not in "".join(shown) and PASSWORD not in "".join(shown)


def test_a_server_without_its_redis_says_so_at_the_start(tmp_path: Path, bundles: Path) -> None:
    from tests.serving.test_start import run

    url = f"redis://:hush@127.0.0.1:{free_port()}/0"
    done: subprocess.CompletedProcess[str] = run(
        "-m",
        "serving",
        KEFU_STATE_URL=url,
        KEFU_BUNDLES=str(bundles),
        KEFU_STATE=str(tmp_path / "s.db"),
        KEFU_PORT=str(free_port()),
    )
    assert done.returncode == 2 and "Redis: ConnectionError" in done.stderr and "hush" not in done.stderr


def test_tidying_moves_the_log_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = SqliteConversations(path, days=1)
    for number in range(50):
        store.save(Remembered(Conversation(f"c{number}")), Remembered(Conversation(f"c{number}"), 1))
    before = path.stat().st_size
    store.tidy()
    assert path.stat().st_size > before
    store.close()
    store.tidy()  # a second too late is no matter


def test_what_is_deleted_leaves_the_log_though_another_worker_moves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.stores.sqlite._EMPTYING", 0.1)
    path = tmp_path / "state.db"
    store = SqliteConversations(path, days=1)
    said = replace(Conversation("c"), turns=(Utterance(Speaker.USER, "秘密的话"),))
    store.save(Remembered(Conversation("c")), Remembered(said, 1))
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM conversations").fetchone() == (1,)
    assert store.delete("c")  # the reader keeps the log from being emptied
    log = path.with_name("state.db-wal")
    assert "秘密的话".encode() in log.read_bytes()
    reader.execute("COMMIT")
    store.tidy()
    assert log.stat().st_size == 0 and "秘密的话".encode() not in path.read_bytes()
