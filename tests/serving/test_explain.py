"""POST /explain: the decision that /chat would give, why, and no trace left behind."""

from __future__ import annotations

import time

import pytest

from models.matching import FEATURES
from serving.engine import Engine
from serving.schema import ChatRequest, ExplainRequest
from tests.serving.conftest import Server
from tests.serving.test_chat import TEXTS, assert_error, new_id, say


def test_explaining_says_what_chat_would_do_next_and_remembers_nothing(engine: Engine) -> None:
    for text in TEXTS:
        before = engine._store.get("c1")
        *_, (found, _) = engine.explain(ExplainRequest(conversation_id="c1", text=text))
        assert engine._store.get("c1") == before
        answer = engine.chat(ChatRequest(conversation_id="c1", text=text), request_id="r", started=time.perf_counter()).answer
        assert answer is not None
        assert (found.decision.decision, found.decision.reason) == (answer.decision, answer.decision_reason)
        assert found.path[-1].reason == answer.decision_reason
        assert found.decision.reply == answer.reply and found.decision.priority.score == answer.priority.score


def test_a_dialogue_from_a_log_is_explained_as_it_went(engine: Engine) -> None:
    history: list[dict[str, str]] = []
    for text in TEXTS:
        *_, (found, _) = engine.explain(ExplainRequest.model_validate({"text": text, "history": history}))
        answer = engine.chat(ChatRequest(conversation_id="c1", text=text), request_id="r", started=time.perf_counter()).answer
        assert answer is not None
        assert (found.decision.decision, found.decision.reason) == (answer.decision, answer.decision_reason)
        history += [{"speaker": "user", "text": text}, {"speaker": "agent", "text": answer.reply}]


def test_explain_over_http(server: Server) -> None:
    body = {"text": "怎么查物流,电话13800138000", "customer": {"tier": "gold"}}
    response = server.client.post("/explain", json=body)
    assert response.status_code == 200
    found = response.json()
    assert "13800138000" not in response.text
    assert found["path"][-1]["fired"] and found["path"][-1]["reason"] == found["decision_reason"]
    assert found["words"] and found["words"][0].keys() == {"text", "start", "end", "influence"}
    assert found["candidates"][0]["features"][0]["name"] == FEATURES[0] and found["neighbours"]
    assert {"name", "threshold", "value", "reached"} == found["comparisons"][0].keys()
    assert ["customer_value", "gold"] in [[factor["name"], factor["value"]] for factor in found["priority"]["factors"]]
    assert found["passes"] == 1 + len(found["words"]) and found["latency_ms"] > 0
    assert say(server, "怎么查物流,电话13800138000", **{"customer": {"tier": "gold"}}).json()["decision"] == found["decision"]


def test_explain_reads_a_conversation_without_changing_it(server: Server) -> None:
    name = new_id()
    say(server, "转人工", name)
    for _ in range(2):
        found = server.client.post("/explain", json={"conversation_id": name, "text": "人呢"}).json()
        assert found["path"][0]["rule"] == "handed_off" or found["path"][0]["because"] == {"handed_off": False}
    assert say(server, "人呢", name).json()["turn"] == 2


@pytest.mark.parametrize(
    ("body", "error"),
    [({"text": ""}, "invalid_text"), ({"text": "长" * 2001}, "text_too_long"), ({"words": "x"}, "invalid_request")],
)
def test_what_cannot_be_explained(server: Server, body: dict[str, str], error: str) -> None:
    assert_error(server.client.post("/explain", json=body).json(), error)
