"""POST /score on a real server."""

from __future__ import annotations

import json

import pytest

from serving.schema import Scores
from tests.serving.conftest import Server
from tests.serving.test_chat import assert_error, say


def test_scores_come_in_order_and_equal_those_of_chat(server: Server) -> None:
    texts = ["怎么查物流", "怎么开发票", "退款多久到账", "怎么申请退货"] * 6  # several pieces of work
    results = server.client.post("/score", json={"messages": [{"text": text} for text in texts]}).json()["results"]
    assert [result["text"] for result in results] == texts
    for text, result in zip(texts[:4], results, strict=False):
        chat = say(server, text).json()
        same = set(result) - {"request_id", "latency_ms"}
        assert {name: result[name] for name in same} == {name: chat[name] for name in same}
        assert set(chat) - set(result) == {
            "conversation_id", "turn", "decision", "decision_reason", "reply", "answer", "related", "suggestions", "missing_slots",
            "handoff",
        }  # fmt: skip
        Scores.model_validate(result)


def test_bad_messages_are_errors_in_their_places(server: Server) -> None:
    body = (
        '{"messages": [{"text": "怎么查物流"}, {"text": ""}, {"text": ["a"]}, {"text": "\\ud83d"}, 7, {"text": "%s"},'
        ' {"text": "a", "customer": {"tier": "diamond"}}, {"text": "怎么开发票"}]}' % ("退" * 2001)
    )
    response = server.client.post("/score", content=body.encode())
    assert response.status_code == 200
    first, *bad, last = response.json()["results"]
    assert first["text"] == "怎么查物流" and last["text"] == "怎么开发票"
    names = ["invalid_text", "invalid_request", "broken_text", "invalid_request", "text_too_long", "invalid_request"]
    for result, name in zip(bad, names, strict=True):
        assert_error(result, name)


def test_a_neighbour_changes_nothing(server: Server) -> None:
    alone = server.client.post("/score", json={"messages": [{"text": "怎么查物流"}]}).json()["results"][0]
    beside = server.client.post("/score", json={"messages": [{"text": "退" * 2000}, {"text": "怎么查物流"}]}).json()["results"][1]
    for name in ("intent_ranking", "emotion", "out_of_scope", "priority"):
        assert alone[name] == beside[name]


def test_history_and_customer_count(server: Server) -> None:
    plain, known = server.client.post("/score", json={"messages": [
        {"text": "怎么查物流"},
        {"text": "怎么查物流", "customer": {"orders": 40}, "order": {"risk": 1}, "waiting_seconds": 400},
    ]}).json()["results"]  # fmt: skip
    assert known["priority"]["score"] > plain["priority"]["score"]
    assert plain["priority"]["inputs_missing"] == ["customer_tier", "order_risk", "waiting_seconds"]
    assert known["priority"]["inputs_missing"] == []
    told = server.client.post("/score", json={"messages": [
        {"text": "怎么查物流", "history": [{"speaker": "user", "text": "你们就是骗子"}]},
    ]}).json()["results"][0]  # fmt: skip
    assert told["emotion"]["scores"] != plain["emotion"]["scores"]


def test_no_state_is_kept(server: Server) -> None:
    for _ in range(3):
        result = server.client.post("/score", json={"messages": [{"text": "怎么查物流"}]}).json()["results"][0]
    assert result["repetition"] == 1


def test_256_messages_are_taken(server: Server) -> None:
    response = server.client.post("/score", json={"messages": [{"text": "怎么查物流"}] * 256})
    assert response.status_code == 200 and len(response.json()["results"]) == 256


@pytest.mark.parametrize(
    ("body", "status", "name"),
    [
        (json.dumps({"messages": [{"text": "你好"}] * 257}), 422, "invalid_request"),
        (json.dumps({"messages": [{"text": "你好"}] * 10_000}), 422, "invalid_request"),
        ('{"messages": []}', 422, "invalid_request"),
        ('{"messages": "怎么查物流"}', 422, "invalid_request"),
        ("{}", 422, "invalid_request"),
        ("", 400, "malformed_body"),
    ],
)
def test_bad_bodies(server: Server, body: str, status: int, name: str) -> None:
    response = server.client.post("/score", content=body.encode())
    assert response.status_code == status
    assert_error(response.json(), name)
