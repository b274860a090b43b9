"""The page, the documents, health, metrics, logs, and the paths that do not exist."""

from __future__ import annotations

import json
import re
import time

import pytest

from models.calibration import Calibration
from serving.openapi import openapi
from tests.serving.conftest import Server, recalibrate
from tests.serving.test_chat import assert_error, say


def test_page_and_its_files(server: Server) -> None:
    page = server.client.get("/")
    assert page.status_code == 200 and page.headers["Content-Type"].startswith("text/html") and "客服" in page.text
    for path in re.findall(r'(?:href|src)="([^"]+)"', page.text):
        assert server.client.get(f"/{path}").status_code == 200, path
    assert server.client.head("/").status_code == 200
    assert server.client.get("/favicon.ico").status_code == 204


@pytest.mark.parametrize("path", ["/", "/page/chat.js", "/healthz", "/openapi.json", "/nothing"])
def test_security_headers(server: Server, path: str) -> None:
    headers = server.client.get(path).headers
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_page_needs_nothing_that_its_policy_forbids(server: Server) -> None:
    page = server.client.get("/").text
    assert not re.search(r"<script(?![^>]*\ssrc=)|\son\w+=|\sstyle=|<style|(?:src|href)=\"(?:https?:)?//", page)


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health(server: Server, path: str) -> None:
    assert server.client.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/docs.json", "/openapi.json"])
def test_openapi(server: Server, path: str) -> None:
    document = server.client.get(path).json()
    assert {"/chat", "/score"} <= set(document["paths"])
    schemas = document["components"]["schemas"]
    assert schemas["ChatRequest"]["required"] == ["text", "conversation_id"]
    assert schemas["ScoreRequest"]["properties"]["messages"]["maxItems"] == 256
    assert {"decision", "emotion", "priority", "intent_ranking"} <= set(schemas["ChatAnswer"]["properties"])
    references = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(document)))
    assert references <= set(schemas)


def test_openapi_examples_are_taken(server: Server) -> None:
    for path in ("chat", "score"):
        example = openapi()["paths"][f"/{path}"]["post"]["requestBody"]["content"]["application/json"]["example"]
        assert server.client.post(path, json=example).status_code == 200


@pytest.mark.parametrize("path", ["/nothing", "/page/../service.py", "/page/%2e%2e/service.py", "/page/none.js", "/chat/more"])
def test_unknown_paths(server: Server, path: str) -> None:
    response = server.client.get(path)
    assert response.status_code == 404
    assert_error(response.json(), "not_found")


def test_wrong_method(server: Server) -> None:
    response = server.client.get("/chat")
    assert response.status_code == 405 and response.headers["Allow"] == "POST"
    assert_error(response.json(), "method_not_allowed")


def test_metrics(server: Server) -> None:
    before = _metrics(server)
    say(server, "怎么查物流")
    say(server, "今天天气怎么样")
    say(server, "")
    after = _metrics(server)

    def grown(name: str) -> float:
        return after.get(name, 0) - before.get(name, 0)

    assert grown('kefu_requests_total{path="chat",status="200"}') == 2
    assert grown('kefu_requests_total{path="chat",status="422"}') == 1
    assert grown('kefu_errors_total{path="chat",type="invalid_text"}') == 1
    assert grown('kefu_request_seconds_count{path="chat"}') == 3
    bundle = say(server, "怎么查物流").json()["model"]["bundle"]
    served = f'bundle="{bundle}"'
    assert grown(f'kefu_decisions_total{{{served},decision="answer",reason="faq_above_direct",variant="champion"}}') >= 1
    assert grown('kefu_intent_confidence_count{path="chat"}') == 2 and grown("kefu_faq_confidence_count") >= 1
    assert after[f'kefu_bundle_info{{{served},variant="champion"}}'] == 1
    assert after['kefu_process_resident_bytes{worker="1"}'] > 1e7
    assert grown('kefu_out_of_scope_total{path="chat"}') >= 1
    assert any(name.startswith("kefu_anger_alerts_total") for name in after)


def test_metrics_do_not_grow_with_paths_that_strangers_try(server: Server) -> None:
    server.client.get("/wp-login-4711.php")
    assert "4711" not in server.client.get("/metrics").text


def test_logs_are_json_lines_without_the_words(server: Server) -> None:
    secret = "紫色的大象在13912345678跳舞"
    answer = say(server, secret, conversation_id="13912345678").json()
    say(server, [secret])
    server.client.post("/score", json={"messages": [{"text": secret}]})
    time.sleep(0.2)
    text = server.log.read_text(encoding="utf-8")
    assert "大象" not in text and "13912345678" not in text
    start, *lines = text.splitlines()
    assert start.startswith("kefu: bundle ")  # said once, before there is anything to parse
    records = [json.loads(line) for line in lines]
    mine = next(record for record in records if record.get("request_id") == answer["request_id"])
    assert mine["message"] == "chat" and mine["decision"] == answer["decision"] and mine["conversation_id"] == "[phone]"


def test_follows_the_current_bundle_and_back(server: Server) -> None:
    pointer, old = server.bundles / "current", say(server, "怎么查物流").json()["model"]["bundle"]
    recalibrate(server.bundles / "tiny", server.bundles / "next", Calibration(intent_temperature=2.0))
    try:
        pointer.write_text("absent\n", encoding="utf-8")
        time.sleep(0.6)
        assert say(server, "怎么查物流").json()["model"]["bundle"] == old
        pointer.write_text("next\n", encoding="utf-8")
        assert _wait_for_bundle(server, old, other=True) != old
    finally:
        pointer.write_text("tiny\n", encoding="utf-8")
    assert _wait_for_bundle(server, old, other=False) == old


def _wait_for_bundle(server: Server, old: str, *, other: bool) -> str:
    for _ in range(100):
        bundle: str = say(server, "怎么查物流").json()["model"]["bundle"]
        if (bundle != old) == other:
            break
        time.sleep(0.1)
    return bundle


def _metrics(server: Server) -> dict[str, float]:
    lines = server.client.get("/metrics").text.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}
