"""HTTP without a server process: limits, our own faults, release, and what is counted and logged of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from models.calibration import Calibration, Thresholds
from serving.app import Api
from serving.bundles import load_brain
from serving.engine import Engine
from serving.logs import JsonLines
from serving.settings import Settings
from tests.serving.conftest import Make

BODY = {"conversation_id": "c1", "text": "怎么查物流"}


def test_rate_limit(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.rate.time.time", lambda: 6000.0)
    client, _ = make(Settings(rate=2))
    assert [client.post("/chat", json=BODY).status_code for _ in range(3)] == [200, 200, 429]
    refused = client.post("/score", json={"messages": [BODY]})
    assert refused.status_code == 429 and refused.headers["Retry-After"] and refused.json()["error"]["type"] == "too_many_requests"
    assert client.get("/").status_code == 200


def test_body_limit(make: Make) -> None:
    client, _ = make(Settings(max_body=1024))
    assert client.post("/chat", json=BODY | {"extra": "a" * 900}).status_code == 200
    assert client.post("/chat", json=BODY | {"extra": "a" * 1024}).json()["error"]["type"] == "body_too_large"


def test_our_own_faults_are_500_with_a_request_id_and_no_words(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client, registry = make()
    words = "紫色的大象"

    def fail(*_: object, **__: object) -> None:
        raise LookupError(words)

    monkeypatch.setattr(Engine, "_answer", fail)
    with caplog.at_level(logging.ERROR, "serving"):
        response = client.post("/chat", json=BODY)
    assert response.status_code == 500 and set(response.json()) == {"error"}
    request_id = response.headers["X-Request-ID"]
    assert response.json()["error"]["type"] == "internal" and request_id in response.json()["error"]["message"]
    line = "".join(JsonLines().format(record) for record in caplog.records)
    assert "LookupError" in line and request_id in line and words not in line + response.text
    assert registry.get_sample_value("kefu_errors_total", {"path": "chat", "type": "internal"}) == 1


def test_before_the_bundle_is_loaded_nothing_is_answered() -> None:
    assert TestClient(Api(Settings())).post("/chat", json=BODY).status_code == 500


def test_handoff_release_and_their_metrics(make: Make, recalibrated: Callable[[Calibration], Path]) -> None:
    path = recalibrated(Calibration(thresholds=Thresholds(anger_alert=0.0, anger_handoff=0.0)))
    client, registry = make(Settings(), load_brain(Settings(bundle=path)))
    first = client.post("/chat", json=BODY).json()
    assert first["handoff"]["reason"] == "emotion"
    assert client.post("/chat", json=BODY).json()["decision"] == "silent"
    assert client.post("/webhooks/rest/webhook", json={"sender": "c1", "message": "在吗"}).json() == []
    released = client.post("/release", json={"conversation_id": "c1"})
    assert released.json() == {"conversation_id": "c1", "released": True}
    assert client.post("/release", json={"conversation_id": "c1"}).json()["released"] is False
    assert client.post("/release", json={}).status_code == 422
    assert client.post("/chat", json=BODY).json()["decision"] == "handoff"
    assert registry.get_sample_value("kefu_handoffs_total", {"reason": "emotion"}) == 2
    silent = {"decision": "silent", "reason": "handed_off", "bundle": first["model"]["bundle"], "variant": "champion"}
    assert registry.get_sample_value("kefu_decisions_total", silent) == 2
    assert registry.get_sample_value("kefu_anger_alerts_total") == 4


def test_what_was_done_in_one_go_is_counted(make: Make) -> None:
    client, registry = make()
    client.post("/chat", json=BODY)
    assert registry.get_sample_value("kefu_batch_size_count") == registry.get_sample_value("kefu_batch_size_sum") == 1


def test_retries_are_counted_apart(make: Make) -> None:
    client, registry = make()
    for _ in range(3):
        client.post("/chat", json=BODY | {"message_id": "m"})
    assert registry.get_sample_value("kefu_replays_total") == 2
    assert registry.get_sample_value("kefu_messages_total", {"path": "chat"}) == 1


def test_logs_mask_whatever_is_said() -> None:
    record: Any = logging.LogRecord("serving", logging.INFO, "", 0, "call %s", ("13800138000",), None)
    record.fields = {"conversation_id": "wx-13800138000", "turn": 1}
    line = JsonLines().format(record)
    assert "13800138000" not in line and "[phone]" in line and '"turn": 1' in line
