"""POST /chat on a real server: the wire, errors, retries, isolation, and equality with the same code in process."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest

from models.analysis import Conversation, Customer, Order
from models.analyzer import Request
from models.policy import Circumstances, advance, decide
from serving.bundles import Brain
from serving.schema import SCHEMA_VERSION, ChatAnswer
from tests.serving.conftest import Server

TEXTS = (
    "怎么查物流",
    "怎么还不发货",
    "我的电话是13800138000",
    "怎么还不发货",
    "转人工",
    "今天天气怎么样",
    "asdf",
    "今天天气",
    "你们就是骗子",
)


def new_id() -> str:
    return f"t-{uuid4().hex}"


def say(server: Server, text: object, conversation_id: str | None = None, **more: object) -> httpx.Response:
    return server.client.post("/chat", json={"conversation_id": conversation_id or new_id(), "text": text, **more})


def test_answer_has_the_whole_wire_format(server: Server, brain: Brain) -> None:
    known: dict[str, object] = {"customer": {"tier": "silver", "orders": 4}, "order": {"risk": 0.2}}
    response = say(server, "怎么申请退货,我的电话13800138000", "shape-1", **known)
    assert response.status_code == 200
    body = response.json()
    wanted = {
        "schema_version", "request_id", "conversation_id", "turn", "language", "intent", "intent_ranking", "intents",
        "out_of_scope", "entities", "emotion", "priority", "decision", "decision_reason", "answer", "related", "suggestions",
        "missing_slots", "handoff", "thresholds", "model", "degraded", "latency_ms", "reply", "repetition",
    }  # fmt: skip
    assert wanted <= set(body)
    assert body["schema_version"] == SCHEMA_VERSION and body["conversation_id"] == "shape-1" and body["turn"] == 1
    assert re.fullmatch("[0-9a-f]{32}", body["request_id"]) and response.headers["X-Request-ID"] == body["request_id"]
    assert body["language"] == "zh-Hans" and body["latency_ms"] > 0
    assert body["intent"] == body["intent_ranking"][0] and body["intent"]["title"]
    assert body["intent_ranking"] == sorted(body["intent_ranking"], key=lambda row: -row["confidence"])
    assert set(body["emotion"]) == {"label", "title", "confidence", "scores", "alert", "reason", "script_id"}
    assert sum(body["emotion"]["scores"].values()) == pytest.approx(1, abs=1e-3)
    assert body["priority"]["inputs_missing"] == ["waiting_seconds"]
    assert sum(factor["points"] for factor in body["priority"]["factors"]) == pytest.approx(body["priority"]["score"], abs=1)
    phone = next(entity for entity in body["entities"] if entity["entity"] == "phone")
    assert phone["sensitive"] and phone["value"] == "[phone]" and body["text"][phone["start"] : phone["end"]] == "[phone]"
    assert body["model"] == {"bundle": brain.bundle.manifest.bundle_version, "run_id": "tiny-run", "variant": "champion"}
    assert body["thresholds"]["faq_direct"] == 0.8
    assert "13800138000" not in response.text
    ChatAnswer.model_validate(body)


def test_exact_question_is_answered_with_steps_and_related(server: Server) -> None:
    body = say(server, "怎么申请退货").json()
    assert (body["decision"], body["decision_reason"]) == ("answer", "faq_above_direct")
    assert body["answer"]["faq_id"] == "return" and body["answer"]["matched_question"] == "怎么申请退货"
    assert len(body["answer"]["steps"]) == 3 and body["answer"]["text"] in body["reply"]
    assert body["related"] == [
        {"faq_id": "return_fee", "question": "退货运费谁出"}, {"faq_id": "refund", "question": "退款多久到账"},
    ]  # fmt: skip


def test_same_as_in_process(server: Server, brain: Brain) -> None:
    conversation = Conversation("same")
    customer, order = {"tier": "gold", "orders": 12}, {"status": "paid", "risk": 0.5}
    circumstances = Circumstances(Customer("gold", 12), Order("paid", 0.5), 90.0)
    seen = set()
    for number, text in enumerate(TEXTS, start=1):
        analysis = brain.analyzer.analyze([Request(text, conversation.context)])[0]
        decision = decide(analysis, conversation, circumstances, brain.knowledge)
        conversation = advance(conversation, analysis, decision)
        body = say(server, text, "same", customer=customer, order=order, waiting_seconds=90).json()
        assert body["turn"] == number
        assert (body["decision"], body["decision_reason"], body["reply"]) == (decision.decision, decision.reason, decision.reply)
        assert [row["name"] for row in body["intent_ranking"]] == [intent.name for intent in analysis.ranking[:10]]
        assert body["intent"]["confidence"] == analysis.intent.confidence and tuple(body["intents"]) == analysis.intents
        assert body["out_of_scope"]["confidence"] == analysis.out_of_scope
        assert body["emotion"]["scores"] == analysis.emotion.scores
        assert body["priority"]["score"] == decision.priority.score and body["repetition"] == decision.repetition
        assert [row["faq_id"] for row in body["suggestions"]] == [hit.faq_id for hit in decision.suggestions]
        seen.add(decision.decision)
    assert len(seen) >= 2, "the texts must lead to more than one decision, or this compares nothing"


def test_stored_turns_reach_the_model_and_given_history_replaces_them(server: Server, brain: Brain) -> None:
    name = new_id()
    first = say(server, "怎么查物流", name).json()
    again = say(server, "那退款呢", name).json()
    alone = say(server, "那退款呢").json()
    turns = [{"speaker": "user", "text": "怎么查物流"}, {"speaker": "agent", "text": first["reply"]}]
    assert first["reply"]
    given = say(server, "那退款呢", history=turns).json()
    none = say(server, "那退款呢", name, history=[]).json()
    assert again["emotion"]["scores"] == given["emotion"]["scores"] != alone["emotion"]["scores"]
    assert none["emotion"]["scores"] == alone["emotion"]["scores"]


def test_repetition_is_counted_and_a_retry_is_not(server: Server) -> None:
    name = new_id()
    first = say(server, "怎么开发票", name, message_id="m1")
    retry = say(server, "怎么开发票", name, message_id="m1")
    assert retry.content == first.content
    assert retry.headers["Idempotent-Replayed"] == "true" and "Idempotent-Replayed" not in first.headers
    second = say(server, "怎么开发票", name, message_id="m2").json()
    assert (second["turn"], second["repetition"]) == (2, 2)
    assert say(server, "怎么开发票", name, message_id="m1").content == first.content
    third = say(server, "怎么开发票", name).json()
    assert (third["turn"], third["repetition"]) == (3, 3)


def test_message_ids_of_two_conversations_do_not_meet(server: Server) -> None:
    one = say(server, "怎么开发票", new_id(), message_id="m1").json()
    other = say(server, "怎么查物流", new_id(), message_id="m1").json()
    assert one["answer"]["faq_id"] == "invoice" and other["answer"]["faq_id"] == "tracking"


def test_conversations_are_isolated(server: Server) -> None:
    name = new_id()
    for _ in range(3):
        say(server, "怎么开发票", name)
    stranger = say(server, "怎么开发票", new_id()).json()
    assert (stranger["turn"], stranger["repetition"]) == (1, 1)


def test_many_at_once_lose_no_turn(server: Server) -> None:
    name = new_id()
    with ThreadPoolExecutor(8) as pool:
        turns = list(pool.map(lambda _: say(server, "怎么开发票", name).json()["turn"], range(16)))
    assert sorted(turns) == list(range(1, 17))


def test_unknown_fields_are_ignored(server: Server) -> None:
    assert say(server, "怎么查物流", mood="fine", customer={"tier": "gold", "shoe": 44}).status_code == 200


UNUSUAL = ("😀😭🙏", "https://item.example.com/1.html", "退" * 2000, "[商品卡片]", "?", "這個可以寄到香港嗎")


@pytest.mark.parametrize("text", UNUSUAL)
def test_unusual_messages_are_answered(server: Server, text: str) -> None:
    response = say(server, text)
    assert response.status_code == 200 and response.json()["reply"]


def raw(fields: str) -> bytes:
    """A body written by hand."""
    return ('{"conversation_id": "x", ' + fields + "}").encode()


BAD = {
    "empty": (raw('"text": ""'), 422, "invalid_text"),
    "spaces": (raw('"text": " \\u200b "'), 422, "invalid_text"),
    "2,001 characters": (json.dumps({"conversation_id": "x", "text": "退" * 2001}).encode(), 413, "text_too_long"),
    "100 KB": (json.dumps({"conversation_id": "x", "text": "a" * 102400}).encode(), 413, "text_too_long"),
    "body over the limit": (json.dumps({"conversation_id": "x", "text": "a" * 5_000_000}).encode(), 413, "body_too_large"),
    "broken UTF-8": (b'{"conversation_id": "x", "text": "\xe6\x80"}', 400, "malformed_body"),
    "GB18030": (raw('"text": "怎么"').decode().encode("gb18030"), 400, "malformed_body"),
    "not JSON": (b"text=hello", 400, "malformed_body"),
    "nothing": (b"", 400, "malformed_body"),
    "NaN": (raw('"text": "a", "waiting_seconds": NaN'), 400, "malformed_body"),
    "thousands of brackets": (b"[" * 100_000, 400, "malformed_body"),
    "infinite": (raw('"text": "a", "waiting_seconds": 1e999'), 422, "invalid_request"),
    "lone surrogate": (raw('"text": "\\ud83d"'), 400, "broken_text"),
    "surrogate in an id": (b'{"conversation_id": "\\ud83d", "text": "a"}', 400, "broken_text"),
    "surrogate in history": (
        raw('"text": "a", "history": [{"speaker": "user", "text": "\\ude00"}]'), 400, "broken_text",
    ),
    "list for a string": (raw('"text": ["a"]'), 422, "invalid_request"),
    "number for a string": (raw('"text": 5'), 422, "invalid_request"),
    "null": (raw('"text": null'), 422, "invalid_request"),
    "no text": (b'{"conversation_id": "x"}', 422, "invalid_request"),
    "no conversation_id": ('{"text": "怎么查物流"}'.encode(), 422, "invalid_request"),
    "empty conversation_id": (b'{"conversation_id": "", "text": "a"}', 422, "invalid_request"),
    "control character in an id": (b'{"conversation_id": "a\\u0000b", "text": "a"}', 422, "invalid_request"),
    "a list for a body": (b"[1, 2]", 422, "invalid_request"),
    "unknown tier": (raw('"text": "a", "customer": {"tier": "diamond"}'), 422, "invalid_request"),
    "unknown speaker": (raw('"text": "a", "history": [{"speaker": "cat", "text": "b"}]'), 422, "invalid_request"),
    "risk of 2": (raw('"text": "a", "order": {"risk": 2}'), 422, "invalid_request"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_requests(server: Server, case: str) -> None:
    content, status, name = BAD[case]
    response = server.client.post("/chat", content=content, headers={"Content-Type": "application/json"})
    assert response.status_code == status
    assert_error(response.json(), name)


def test_messages_name_field_and_kind_but_never_the_words(server: Server) -> None:
    message = say(server, ["13800138000"]).json()["error"]["message"]
    assert "text" in message and "a list" in message and "/openapi.json" in message
    assert "13800138000" not in message


def test_a_bad_request_leaves_no_state(server: Server) -> None:
    name = new_id()
    assert say(server, "", name).status_code == 422
    assert say(server, "怎么查物流", name).json()["turn"] == 1


def assert_error(body: Any, name: str) -> None:
    assert set(body) == {"error"} and set(body["error"]) == {"type", "message"}
    assert body["error"]["type"] == name and body["error"]["message"]
