"""Agents and conversations over HTTP: silence and release, turns, what is shown, deletion, opening hours, a store that is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.analysis import OpenSlots
from models.analyzer import Analyzer, Request
from models.calibration import Calibration, Thresholds
from serving import engine as engine_module
from serving.bench import free_port
from serving.bundles import Brain, load_brain
from serving.conversations import MAX_ANSWERS, Remembered
from serving.engine import Engine
from serving.errors import StateError
from serving.schema import MAX_REMEMBERED, AgentTurnIn, ChatRequest
from serving.settings import Settings
from serving.stores.sqlite import SqliteConversations
from tests.serving.conftest import Make

PHONE = "13800138000"


@pytest.fixture
def angry(recalibrated: Callable[[Calibration], Path]) -> Brain:
    """To this brain every message is angry enough for a person."""
    calibration = Calibration(thresholds=Thresholds(anger_alert=0.0, anger_handoff=0.0))
    return load_brain(Settings(bundle=recalibrated(calibration)))


def say(client: TestClient, text: str, **more: object) -> Any:
    return client.post("/chat", json={"conversation_id": "c1", "text": text} | more).json()


def test_an_agent_takes_over_and_gives_back(make: Make, angry: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = make(brain=angry)
    seen: list[tuple[str, ...]] = []
    real = Analyzer.analyze

    def analyze(self: Analyzer, requests: list[Request], **more: Any) -> Any:
        seen.append(tuple(turn.text for turn in requests[0].history))
        return real(self, requests, **more)

    monkeypatch.setattr(Analyzer, "analyze", analyze)
    first = say(client, "你们就是骗子")
    assert first["decision"] == "handoff" and not first["handoff"]["out_of_hours"]
    assert say(client, f"人呢，打{PHONE}")["decision"] == "silent"
    turns = {"turns": [{"speaker": "agent", "text": f"我是小李，您的号码{PHONE}对吗"}, {"speaker": "user", "text": "对"}]}
    assert client.post("/conversations/c1/turns", json=turns).json() == {"conversation_id": "c1", "remembered": 5, "added": 2}
    shown = client.get("/conversations/c1").json()
    assert (shown["turn"], shown["handed_off"], shown["open_slots"]) == (2, True, None)
    assert [turn["speaker"] for turn in shown["turns"]] == ["user", "agent", "user", "agent", "user"]
    assert shown["turns"][2]["text"] == "人呢,打[phone]" and shown["turns"][3]["text"] == "我是小李,您的号码[phone]对吗"
    assert abs((datetime.now(UTC) - datetime.fromisoformat(shown["updated"])).total_seconds()) < 60
    for path, body in (("/conversations/c1/release", None), ("/release", {"conversation_id": "c1"})):
        assert client.post(path, json=body).json() == {"conversation_id": "c1", "released": body is None}
    assert say(client, "好的")["decision"] == "handoff"
    assert seen[-1] == tuple(turn["text"] for turn in shown["turns"][2:]), "the bot reads what was said while it was silent"


def test_turns_have_limits(make: Make) -> None:
    client, _ = make()
    turn = {"speaker": "agent", "text": "您好"}
    for turns in (
        [],
        [turn] * (MAX_REMEMBERED + 1),
        [{**turn, "text": "长" * 2001}],
        [{**turn, "speaker": "bot"}],
        [{**turn, "text": ""}],
    ):
        response = client.post("/conversations/c1/turns", json={"turns": turns})
        assert response.status_code == 422 and response.json()["error"]["type"] == "invalid_request"
    blank = client.post("/conversations/c1/turns", json={"turns": [turn, {**turn, "text": " \u200b"}]})
    assert blank.status_code == 422 and "turns.1.text" in blank.json()["error"]["message"]
    assert client.get("/conversations/c1").json()["updated"] is None
    for _ in range(2):
        added = client.post("/conversations/c1/turns", json={"turns": [turn] * MAX_REMEMBERED})
        assert added.json()["remembered"] == MAX_REMEMBERED


def test_a_turn_sent_again_is_not_added_again(make: Make, angry: Brain) -> None:
    client, _ = make(brain=angry)

    def add(*names: str | None) -> tuple[int, int]:
        turns = [{"speaker": "agent", "text": "您好", "message_id": name} for name in names]
        added = client.post("/conversations/c1/turns", json={"turns": turns})
        assert added.status_code == 200
        return added.json()["remembered"], added.json()["added"]

    say(client, "转人工")
    assert add("a1", "a2") == (4, 2)
    assert add("a1", "a2") == (4, 0)
    assert say(client, "人呢")["decision"] == "silent"
    assert add("a2", "a3", "a3", None, None) == (8, 3), "those without a name are always new"
    client.post("/conversations/c1/release")
    assert add("a1") == (8, 0)
    client.delete("/conversations/c1")
    assert add("a1") == (1, 1)
    for number in range(MAX_ANSWERS // 10):
        add(*(f"b{number}.{place}" for place in range(10)))
    assert add("b0.0") == (MAX_REMEMBERED, 0) and add("a1") == (MAX_REMEMBERED, 1), "the newest names are kept"


def test_what_is_unknown_is_empty_and_a_bad_name_is_refused(make: Make) -> None:
    client, _ = make()
    empty = {"turn": 0, "turns": [], "handed_off": False, "misses": 0, "open_slots": None, "updated": None}
    assert client.get("/conversations/nobody").json() == {"conversation_id": "nobody", **empty}
    assert client.post("/conversations/nobody/release").json()["released"] is False
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/release")):
        response = client.request(method, f"/conversations/{'x' * 129}{path}")
        assert response.status_code == 422 and "conversation_id" in response.json()["error"]["message"]


def test_deleting_forgets_state_and_answers(make: Make) -> None:
    client, _ = make()
    first = say(client, "怎么开发票", message_id="m1")
    assert say(client, "怎么开发票", message_id="m1") == first
    assert client.delete("/conversations/c1").json() == {"conversation_id": "c1", "deleted": True}
    assert client.delete("/conversations/c1").json()["deleted"] is False
    assert client.get("/conversations/c1").json()["turns"] == []
    again = say(client, "怎么开发票", message_id="m1")
    assert again["turn"] == 1 and again["request_id"] != first["request_id"]


def test_open_slots_are_shown(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = make()
    real = engine_module.advance

    def advance(*parts: Any) -> Any:
        return replace(real(*parts), open_slots=OpenSlots("aftersale.return", ("reason", "order_id"), {"reason": "坏了"}))

    monkeypatch.setattr(engine_module, "advance", advance)
    say(client, "我要退货")
    shown = client.get("/conversations/c1").json()["open_slots"]
    assert shown == {"intent": "aftersale.return", "filled": {"reason": "坏了"}, "missing": ["order_id"]}


def test_outside_opening_hours_a_message_is_taken(make: Make, angry: Brain, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = [15]  # 23:00 in Shanghai, an hour after closing

    class Clock:
        now = staticmethod(lambda _: datetime(2026, 1, 1, hour[0], tzinfo=UTC))

    monkeypatch.setattr(engine_module, "datetime", Clock)
    client, _ = make(Settings(opening_hours=True), angry)
    night = say(client, "你们就是骗子")
    assert (night["decision"], night["decision_reason"]) == ("handoff", "outside_opening_hours")
    assert night["handoff"]["out_of_hours"] and "骗子" in night["handoff"]["summary"]
    assert "09:00–22:00" in night["reply"] and "记下" in night["reply"]
    shown = client.get("/conversations/c1").json()
    assert not shown["handed_off"] and [turn["text"] for turn in shown["turns"]] == ["你们就是骗子", night["reply"]]
    hour[0] = 13  # 21:00: an agent is there, and has it from now on
    day = say(client, "人呢")
    assert day["decision_reason"] == "emotion" and not day["handoff"]["out_of_hours"]
    assert say(client, "人呢")["decision"] == "silent"
    hour[0] = 15
    later = say(client, "还在吗")
    assert later["decision_reason"] == "outside_opening_hours" and later["handoff"]["out_of_hours"]
    hour[0] = 13
    assert say(client, "还在吗")["decision"] == "silent"


def test_entries_are_valid_by_the_shops_day(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock:
        now = staticmethod(lambda _: datetime(2026, 11, 11, 17, tzinfo=UTC))  # one in the morning of the 12th in Shanghai

    days: list[Any] = []
    real = engine_module.decide

    def decide(*parts: Any) -> Any:
        days.append(parts[2].today)
        return real(*parts)

    monkeypatch.setattr(engine_module, "datetime", Clock)
    monkeypatch.setattr(engine_module, "decide", decide)
    client, _ = make()
    say(client, "双十一的券还能用吗")
    client.post("/score", json={"messages": [{"text": "双十一的券还能用吗"}]})
    assert days == [date(2026, 11, 12)] * 2


def test_turns_that_were_saved_never_end_in_an_error(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    client, _ = make()
    real = SqliteConversations.get

    def get(self: SqliteConversations, name: str) -> Remembered:
        found = real(self, name)
        if found.conversation.turns:
            raise StateError("away")
        return found

    monkeypatch.setattr(SqliteConversations, "get", get)
    added = client.post("/conversations/c1/turns", json={"turns": [{"speaker": "agent", "text": "您好"}]})
    assert added.status_code == 200 and added.json()["remembered"] == 1  # a 503 would have it sent, and added, again


def test_history_from_the_client_takes_the_place_of_stored_turns(make: Make) -> None:
    client, _ = make()
    for text in ("我要退货", "上周买的手机"):
        say(client, text)
    turns = client.get("/conversations/c1").json()["turns"]
    stored = say(client, "多久到账", message_id="m")
    client.delete("/conversations/c1")
    sent = say(client, "多久到账", history=turns)
    without = client.post("/chat", json={"conversation_id": "c2", "text": "多久到账"}).json()
    assert sent["intent_ranking"] == stored["intent_ranking"] != without["intent_ranking"]


def test_a_store_that_is_away_is_503_and_says_when_to_retry(make: Make) -> None:
    client, _ = make(Settings(state_url=f"redis://:hush@127.0.0.1:{free_port()}/0"))
    for method, path in (("POST", "/chat"), ("GET", "/conversations/c1"), ("DELETE", "/conversations/c1")):
        response = client.request(method, path, json={"conversation_id": "c1", "text": "在吗"})
        assert response.status_code == 503 and response.headers["Retry-After"] == "1"
        assert response.json()["error"]["type"] == "state_unavailable" and "hush" not in response.text
    assert client.post("/score", json={"messages": [{"text": "在吗"}]}).status_code == 200


def test_who_is_given_back_to_the_bot_is_read_from_the_handoff_on(angry: Brain, tmp_path: Path) -> None:
    engine = Engine(angry, SqliteConversations(tmp_path / "state.db", days=1))

    def say(text: str) -> None:
        engine.chat(ChatRequest(conversation_id="c1", text=text), request_id="r", started=0.0)

    def read() -> list[str]:
        return [turn.text for turn in engine._store.get("c1").conversation.context]

    say("转人工")
    assert engine._store.get("c1").conversation.handed_off and read() == []
    say("人呢")
    engine.desk.add_turns("c1", [AgentTurnIn(speaker="agent", text="查到了")])
    assert engine.desk.release("c1") and read() == ["人呢", "查到了"]
    assert len(engine._store.get("c1").conversation.turns) == 4
