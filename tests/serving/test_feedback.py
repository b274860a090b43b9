"""POST /feedback."""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.feedback.desk import FeedbackDesk
from serving.feedback.record import Feedback, Kept
from serving.feedback.store import FeedbackStore
from serving.logs import JsonLines
from serving.settings import Settings
from tests.serving.conftest import Make

PHONE, ID_CARD = "13800138000", "11010519491231002X"


class Shop:
    """A client, and what its feedback store holds."""

    def __init__(self, make: Make, folder: Path) -> None:
        self.settings = Settings(feedback=str(folder / "feedback.db"))
        self.client, self.registry = make(self.settings)

    def ask(self, text: str, conversation: str = "c1") -> str:
        answer = self.client.post("/chat", json={"conversation_id": conversation, "text": text})
        return str(answer.json()["request_id"])

    def say(self, request_id: str, **body: Any) -> httpx.Response:
        return self.client.post("/feedback", json={"request_id": request_id, **body})

    def kept(self) -> list[Feedback]:
        store = FeedbackStore(self.settings.feedback, days=1)
        try:
            return [record for _, record in store.records()]
        finally:
            store.close()


@pytest.fixture
def shop(make: Make, tmp_path: Path) -> Shop:
    return Shop(make, tmp_path)


def test_the_record_says_what_was_asked_and_answered(shop: Shop) -> None:
    shop.ask("怎么申请退货")
    answer = shop.client.post("/chat", json={"conversation_id": "c1", "text": "怎么查物流"}).json()
    shop.ask("谢谢")
    response = shop.say(
        answer["request_id"], source="agent", helpful=False, resolved=True, intents=["logistics.urge", "logistics.urge"],
        emotion="anxious", faq_id="tracking", answer="明天送到", comment="模型没懂",
    )  # fmt: skip
    assert response.status_code == 200, response.text
    body = response.json()
    assert (body["request_id"], body["source"], body["replaced"]) == (answer["request_id"], "agent", False)
    (record,) = shop.kept()
    assert (record.conversation_id, record.turn, record.text) == ("c1", 2, "怎么查物流")
    assert record.history[0] == ("user", "怎么申请退货") and [speaker for speaker, _ in record.history] == ["user", "agent"]
    assert record.predicted_intents == tuple(answer["intents"]) and record.predicted_emotion == answer["emotion"]["label"]
    assert (record.decision, record.predicted_faq_id) == (answer["decision"], answer["answer"]["faq_id"])
    assert record.bundle == answer["model"]["bundle"]
    assert (record.helpful, record.resolved, record.intents, record.emotion) == (False, True, ("logistics.urge",), "anxious")
    assert (record.faq_id, record.answer, record.comment) == ("tracking", "明天送到", "模型没懂")


def test_sent_twice_is_kept_once_with_the_last_word(shop: Shop) -> None:
    request_id = shop.ask("怎么查物流")
    first = shop.say(request_id, helpful=True).json()
    again = shop.say(request_id, helpful=False, comment="后来发现不对").json()
    assert again["replaced"] and again["created"] == first["created"] and again["updated"] > first["updated"]
    shop.say(request_id, source="agent", faq_id="none")
    assert [(record.source, record.helpful, record.faq_id) for record in shop.kept()] == [
        ("agent", None, "none"), ("customer", False, None),
    ]  # fmt: skip


def test_personal_data_is_masked_before_it_is_stored(shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    request_id = shop.ask(f"我的电话是{PHONE},怎么查物流")
    with caplog.at_level(logging.INFO, "serving"):
        shop.say(request_id, answer=f"已联系您\n电话 {PHONE[:3]} {PHONE[3:7]} {PHONE[7:]}", comment=f"身份证{ID_CARD}\x00\u200b")
    (record,) = shop.kept()
    assert (record.answer, record.comment) == ("已联系您\n电话 [phone]", "身份证[id_card]") and "[phone]" in record.text
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("feedback.db*"))
    assert PHONE.encode() not in stored and ID_CARD.encode() not in stored and b"[id_card]" in stored
    logged = "".join(JsonLines().format(line) for line in caplog.records)
    assert request_id not in logged or PHONE not in logged
    assert "已联系" not in logged and "身份证" not in logged and '"source": "customer"' in logged


@pytest.mark.parametrize(
    ("body", "named"),
    [({"intents": ["order.cancel", "order.fly"]}, "order.fly"), ({"emotion": "sad"}, "sad"), ({"faq_id": "nothing"}, "nothing")],
)
def test_labels_that_the_bundle_does_not_know_are_named(shop: Shop, body: dict[str, Any], named: str) -> None:
    response = shop.say(shop.ask("怎么查物流"), helpful=True, **body)
    assert response.status_code == 422 and response.json()["error"]["type"] == "unknown_label"
    assert named in response.json()["error"]["message"] and shop.kept() == []


@pytest.mark.parametrize(
    "body",
    [{}, {"helpful": None, "faq_id": None}, {"helpful": "yes"}, {"intents": []}, {"intents": ["order.cancel"] * 4},
     {"answer": "长" * 5001}, {"source": "robot", "helpful": True}],
)  # fmt: skip
def test_bodies_that_say_nothing_or_nonsense_are_refused(shop: Shop, body: dict[str, Any]) -> None:
    response = shop.say(shop.ask("怎么查物流"), **body)
    assert response.status_code == 422 and response.json()["error"]["type"] == "invalid_request"
    assert shop.kept() == []


def test_half_a_character_is_refused(shop: Shop) -> None:
    body = json.dumps({"request_id": shop.ask("怎么查物流"), "comment": "\ud83d"})
    response = shop.client.post("/feedback", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code == 400 and response.json()["error"]["type"] == "broken_text"


def test_an_unknown_request_is_404_and_says_what_to_do(shop: Shop) -> None:
    response = shop.say("0" * 32, helpful=True)
    assert response.status_code == 404 and response.json()["error"]["type"] == "unknown_request"
    assert "request_id" in response.json()["error"]["message"] and "KEFU_STATE_DAYS" in response.json()["error"]["message"]


def test_history_that_does_not_fit_is_left_out(shop: Shop) -> None:
    request_id = shop.ask("怎么申请退货")
    for _ in range(31):  # more than a conversation remembers
        shop.ask("怎么查物流")
    shop.say(request_id, helpful=True)
    (record,) = shop.kept()
    assert (record.turn, record.text, record.history) == (1, "怎么申请退货", ())


def test_it_goes_with_its_conversation(shop: Shop) -> None:
    shop.say(shop.ask("怎么查物流"), helpful=True)
    shop.say(shop.ask("怎么查物流", "c2"), helpful=True)
    assert shop.client.delete("/conversations/c1").json()["deleted"] is True
    assert [record.conversation_id for record in shop.kept()] == ["c2"]


def test_what_comes_while_its_conversation_is_deleted_is_not_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    request_id = shop.ask("怎么查物流")
    shop.ask("怎么查物流", "c2")
    real = FeedbackDesk.keep

    async def keep(self: FeedbackDesk, given: Feedback) -> Kept:
        monkeypatch.undo()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(shop.client.app), base_url="http://kefu") as other:
            assert (await other.delete("/conversations/c1")).json()["deleted"] is True
        return await real(self, given)

    monkeypatch.setattr(FeedbackDesk, "keep", keep)
    assert shop.say(request_id, helpful=True).status_code == 404
    assert shop.kept() == []


def test_a_store_that_fails_is_503_and_recovers(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.feedback.database._WAIT", 0.2)
    monkeypatch.setattr("serving.feedback.desk._PAUSE", 0.0)
    request_id = shop.ask("怎么查物流")
    shop.say(request_id, source="agent", helpful=True)
    monkeypatch.undo()
    holder = sqlite3.connect(shop.settings.feedback, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("serving.feedback.desk._PAUSE", 0.05)
    refused = shop.say(request_id, helpful=True)
    assert refused.status_code == 503 and refused.json()["error"]["type"] == "feedback_unavailable"
    assert refused.headers["Retry-After"] == "5"
    assert shop.ask("怎么查物流")  # nobody else is held up
    holder.execute("ROLLBACK")
    holder.close()
    monkeypatch.setattr("serving.feedback.desk._PAUSE", 0.0)
    assert shop.say(request_id, helpful=True).status_code == 200 and len(shop.kept()) == 2


def test_counted(shop: Shop) -> None:
    request_id = shop.ask("怎么查物流")
    for _ in range(2):
        shop.say(request_id, source="agent", helpful=True)
    labels = {"source": "agent", "helpful": "yes", "resolved": "unsaid"}
    for replaced in ("no", "yes"):
        assert shop.registry.get_sample_value("kefu_feedback_total", labels | {"replaced": replaced}) == 1
