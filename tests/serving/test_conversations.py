"""The store: what is kept, for how long, and that two workers never lose a message."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.types import Speaker, Utterance
from models.analysis import Conversation, OpenSlots, PastMessage
from models.calibration import Calibration
from serving import conversations
from serving.bundles import Brain, load_brain
from serving.conversations import (
    MAX_REMEMBERED,
    Remembered,
    SqliteConversations,
    StoredAnswer,
    fit_to,
    from_json,
    to_json,
    vector_space,
)
from serving.errors import StateError
from serving.settings import Settings

FULL = Conversation(
    "c1",
    turns=(Utterance(Speaker.USER, "怎么退"), Utterance(Speaker.AGENT, "点“申请售后”")),
    past=(PastMessage("aftersale.return", "anxious", (0.1, -0.25, 3e-7), answered=True),),
    misses=1,
    open_slots=OpenSlots("aftersale.return", ("order_id", "reason"), {"reason": "坏了"}),
    handed_off=True,
    tried=("return",),
)


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


def test_json_round_trip() -> None:
    back = from_json(to_json(FULL), "c1")
    assert replace(back, past=()) == replace(FULL, past=())
    assert back.past[0].vector == pytest.approx(FULL.past[0].vector, abs=1e-7)
    assert from_json(to_json(back), "c1") == back  # float32 from here on: exact


def test_state_does_not_grow_without_end() -> None:
    long = Conversation("c", turns=FULL.turns * 100, past=FULL.past * 100)
    back = from_json(to_json(long), "c")
    assert len(back.turns) == len(back.past) == MAX_REMEMBERED


def test_an_answer_is_found_by_its_request(tmp_path: Path) -> None:
    one, other = (SqliteConversations(tmp_path / "state.db", days=1) for _ in range(2))
    one.save(one.get("c1"), Remembered(FULL, 1), StoredAnswer("r1", '{"a": 1}'))
    one.save(one.get("c1"), Remembered(FULL, 2), StoredAnswer("r2", '{"a": 2}'))
    assert [other.answer_to(name) for name in ("r1", "r2", "r3")] == ['{"a": 1}', '{"a": 2}', None]


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


def test_two_workers_share_state_and_answers(tmp_path: Path) -> None:
    one, other = (SqliteConversations(tmp_path / "state.db", days=1) for _ in range(2))
    before = one.get("c1")
    assert (before.turn, before.version, before.conversation) == (0, 0, Conversation("c1"))
    assert one.save(before, Remembered(FULL, 1, space="s"), StoredAnswer("r-m1", '{"a": 1}', "m1"))
    read = other.get("c1")
    assert (read.turn, read.version, read.space) == (1, 1, "s") and read.conversation.tried == ("return",)
    assert other.answered("c1", "m1") == '{"a": 1}'
    assert other.answered("c1", "m2") is None and other.answered("c2", "m1") is None


def test_of_two_writers_with_the_same_version_one_is_refused_whole(tmp_path: Path) -> None:
    one, other = (SqliteConversations(tmp_path / "state.db", days=1) for _ in range(2))
    for expected in (0, 1):  # a new conversation, and one that exists
        first, second = one.get("c1"), other.get("c1")
        assert first.version == second.version == expected
        assert one.save(first, Remembered(FULL, expected + 1), StoredAnswer(f"r-kept{expected}", "{}", f"kept{expected}"))
        assert not other.save(second, Remembered(FULL, expected + 1), StoredAnswer(f"r-lost{expected}", "{}", f"lost{expected}"))
        assert other.answered("c1", f"lost{expected}") is None


def test_concurrent_writers_lose_no_update(tmp_path: Path) -> None:
    def work() -> None:
        store = SqliteConversations(tmp_path / "state.db", days=1)
        for _ in range(25):
            while True:
                before = store.get("c1")
                if store.save(before, Remembered(FULL, before.turn + 1)):
                    break
        store.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SqliteConversations(tmp_path / "state.db", days=1).get("c1").turn == 100


def test_what_is_old_is_forgotten_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteConversations(tmp_path / "state.db", days=2)
    store.save(store.get("c1"), Remembered(FULL, 7), StoredAnswer("r-m1", "{}", "m1"))
    now = time.time()
    monkeypatch.setattr("serving.conversations.time.time", lambda: now + 1.9 * 86400)
    assert store.get("c1").turn == 7 and store.answered("c1", "m1") == "{}"
    monkeypatch.setattr("serving.conversations.time.time", lambda: now + 2.1 * 86400)
    assert store.get("c1").turn == 0 and store.answered("c1", "m1") is None and store.answer_to("r-m1") is None
    assert store.save(store.get("c1"), Remembered(FULL, 1), StoredAnswer("r-m1", '"new"', "m1"))  # takes the place of the old one
    assert store.get("c1").turn == 1 and store.answered("c1", "m1") == '"new"'
    monkeypatch.setattr("serving.conversations.time.time", lambda: now + 9 * 86400)
    store.save(store.get("c2"), Remembered(FULL, 1))
    connection = sqlite3.connect(tmp_path / "state.db")
    assert connection.execute("SELECT conversation_id FROM conversations").fetchall() == [("c2",)]
    assert connection.execute("SELECT count(*) FROM answers").fetchone() == (0,)


def test_answers_of_one_conversation_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversations, "MAX_ANSWERS", 3)
    store = SqliteConversations(tmp_path / "state.db", days=1)
    for turn in range(1, 6):
        store.save(store.get("c1"), Remembered(FULL, turn), StoredAnswer(f"r-m{turn}", "{}", f"m{turn}"))
    assert [store.answered("c1", f"m{turn}") is not None for turn in range(1, 6)] == [False, False, True, True, True]


def test_damaged_state_begins_anew_and_can_be_written(tmp_path: Path) -> None:
    store = SqliteConversations(tmp_path / "state.db", days=1)
    store.save(store.get("c1"), Remembered(FULL, 3))
    with sqlite3.connect(tmp_path / "state.db") as connection:
        connection.execute("UPDATE conversations SET state = '{\"turns\": 5}'")
    read = store.get("c1")
    assert read.conversation == Conversation("c1") and read.turn == 3
    assert store.save(read, Remembered(FULL, 4)) and store.get("c1").turn == 4


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


def test_state_of_another_model_fits(brain: Brain) -> None:
    vector = (1.0,) + (0.0,) * (brain.bundle.encoder.dimension - 1)
    past = tuple(PastMessage(intent, "angry", vector, answered=False) for intent in ("aftersale.return", "gone.code"))
    kept = Conversation("c", past=past, open_slots=OpenSlots("aftersale.return", ("order_id",), {}), misses=1, handed_off=True)
    space = vector_space(brain.bundle)
    same = fit_to(Remembered(kept, space=space), brain.bundle)
    assert [message.vector for message in same.past] == [vector] and same.open_slots == kept.open_slots
    short = replace(kept, past=(PastMessage("aftersale.return", "angry", (1.0, 2.0), answered=False),))
    other = fit_to(Remembered(short, space="other"), brain.bundle)
    assert len(other.past[0].vector) == brain.bundle.encoder.dimension and not any(other.past[0].vector)
    assert other.misses == 1 and other.handed_off
    gone = replace(kept, open_slots=OpenSlots("aftersale.return", ("no_such_slot",), {}))
    assert fit_to(Remembered(gone, space=space), brain.bundle).open_slots is None


def test_bundles_that_share_the_model_share_the_space(brain: Brain, recalibrated: Callable[[Calibration], Path]) -> None:
    other = load_brain(Settings(bundle=recalibrated(Calibration(intent_temperature=3.0))))
    assert other.identity != brain.identity and vector_space(other.bundle) == vector_space(brain.bundle)
