"""Rasa's interface on a real server."""

from __future__ import annotations

from uuid import uuid4

import httpx

from tests.serving.conftest import ROOT, Server
from tests.serving.test_chat import assert_error


def send(server: Server, message: str, **more: object) -> httpx.Response:
    return server.client.post("/webhooks/rest/webhook", json={"sender": uuid4().hex, "message": message} | more)


def test_parse_has_rasas_shape_and_equals_score(server: Server) -> None:
    parsed = server.client.post("/model/parse", json={"text": "我要退货上周买的碎屏手机", "message_id": "m1"}).json()
    assert parsed["message_id"] == "m1" and set(parsed["intent"]) >= {"name", "confidence"}
    assert parsed["intent_ranking"][0] == parsed["intent"]
    for entity in parsed["entities"]:
        assert parsed["text"][entity["start"] : entity["end"]] == entity["value"] and entity["entity"]
    assert parsed["entities"]
    scored = server.client.post("/score", json={"messages": [{"text": "我要退货上周买的碎屏手机"}]}).json()["results"][0]
    for name in set(scored) - {"request_id", "latency_ms"}:
        assert parsed[name] == scored[name]


def test_parse_refuses_what_score_refuses(server: Server) -> None:
    for body, status, name in [
        ({"text": ""}, 422, "invalid_text"),
        ({}, 422, "invalid_request"),
        ({"text": "退" * 2001}, 413, "text_too_long"),
    ]:
        response = server.client.post("/model/parse", json=body)
        assert response.status_code == status
        assert_error(response.json(), name)


def test_webhook_answers_with_a_list_of_messages(server: Server) -> None:
    (message,) = send(server, "怎么查物流", sender="rasa-1").json()
    chat = server.client.post("/chat", json={"conversation_id": uuid4().hex, "text": "怎么查物流"}).json()
    assert message["recipient_id"] == "rasa-1" and message["text"] == chat["reply"]
    assert message["custom"]["decision"] == "answer" and message["custom"]["answer"] == chat["answer"]
    assert "buttons" not in message


def test_webhook_offers_questions_as_buttons(server: Server) -> None:
    (message,) = send(server, "怎么申请退货").json()
    assert {"title": "退货运费谁出", "payload": "退货运费谁出"} in message["buttons"]
    (again,) = send(server, message["buttons"][0]["payload"]).json()
    assert again["custom"]["decision"] == "answer"


def test_webhook_retries_are_safe_and_circumstances_count(server: Server) -> None:
    first = send(server, "怎么查物流", sender="rasa-3", message_id="m1", customer={"tier": "gold"})
    retry = send(server, "怎么查物流", sender="rasa-3", message_id="m1", customer={"tier": "gold"})
    assert first.json() == retry.json() and retry.headers["Idempotent-Replayed"] == "true"
    factors = {factor["name"] for factor in first.json()[0]["custom"]["priority"]["factors"]}
    assert "customer_value" in factors
    assert_error(server.client.post("/webhooks/rest/webhook", json={"message": "在吗"}).json(), "invalid_request")


def test_channel_health_version_and_status(server: Server) -> None:
    assert server.client.get("/webhooks/rest/").json() == {"status": "ok"}
    version = server.client.get("/version").json()["version"]
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert server.client.get("/status").json()["model_file"] == "tiny"
