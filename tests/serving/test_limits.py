"""What is too much, too slow, or from elsewhere: a real server with a short queue, and limits in process."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data.errors import ConfigError
from serving.audit import Attempts
from serving.settings import Settings
from tests.serving.conftest import Make, Server, running
from tests.serving.test_access import CHAT, SCORE, bearer
from tests.serving.test_app import BODY

MANY = 400
ORIGIN = "https://shop.example"


@pytest.fixture(scope="module")
def small(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that lets four pieces of work wait, and a body take one second."""
    with running(bundles, tmp_path_factory.mktemp("small"), KEFU_QUEUE="4", KEFU_BODY_SECONDS="1") as server:
        yield server


def test_overload_is_refused_at_once(small: Server) -> None:
    messages = {"messages": [{"text": "怎么还不发货" * 50}] * 8}

    async def rush() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=MANY)
        async with httpx.AsyncClient(base_url=small.url, timeout=60, limits=limits) as client:
            return await asyncio.gather(*(client.post("/score", json=messages) for _ in range(MANY)))

    responses = asyncio.run(rush())
    found = Counter(response.status_code for response in responses)
    assert set(found) == {200, 503} and sum(found.values()) == MANY, found
    refused = [response for response in responses if response.status_code == 503]
    assert all(response.headers["Retry-After"] == "1" and response.json()["error"]["type"] == "overloaded" for response in refused)
    assert small.client.post("/chat", json=BODY).status_code == 200  # at once: nothing is left in the queue
    assert small.client.post("/score", json=messages).status_code == 200


def test_a_body_that_trickles_is_given_up_and_holds_nobody_up(small: Server) -> None:
    host, port = small.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as slow:
        slow.sendall(b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
        assert small.client.post("/chat", json=BODY).status_code == 200
        answer = b""
        started = time.monotonic()
        while chunk := slow.recv(4096):  # until the server closes
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 408") and b"body_too_slow" in answer and time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Type": "text/plain"}, 415), ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
     ({"Content-Type": "multipart/form-data; boundary=x"}, 415), ({"Content-Type": "application/json; charset=utf-8"}, 200),
     ({"Content-Type": "application/vnd.api+json"}, 200), ({}, 200), ({"Content-Encoding": "gzip"}, 415)],
)  # fmt: skip
def test_kinds_of_bodies(make: Make, headers: dict[str, str], status: int) -> None:
    client, _ = make()
    body = json.dumps(BODY).encode()
    response = client.post("/chat", content=gzip.compress(body) if "Content-Encoding" in headers else body, headers=headers)
    assert response.status_code == status
    assert status == 200 or response.json()["error"]["type"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"a":' * 200_000, b"1" * 100_000, b"-1e999999", b'{"text": 1e999}', b"NaN", b"\xff\xfe", b""]
)
def test_what_json_readers_choke_on(make: Make, body: bytes) -> None:
    client, _ = make()
    assert client.post("/chat", content=body).status_code in (400, 422)


@pytest.mark.parametrize("orders", ["1" * 4000, "-1", "1e400", "0.5"])
def test_huge_numbers(make: Make, orders: str) -> None:
    client, _ = make()
    body = f'{{"conversation_id": "c", "text": "a", "customer": {{"orders": {orders}}}}}'
    response = client.post("/chat", content=body)
    assert response.status_code == 422 and len(response.text) < 1000


def test_the_largest_score_fits(make: Make) -> None:
    client, _ = make()
    body = json.dumps({"messages": [{"text": "退" * 2000}] * 256})
    assert len(body) > 3_000_000
    results = client.post("/score", content=body).json()["results"]
    assert len(results) == 256 and all("intent" in result for result in results)
    assert client.post("/score", json={"messages": [BODY] * 257}).status_code == 422


def test_limits_of_keys(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.rate.time.time", lambda: 6012.5)
    client, _ = make(Settings(rate=2, keys=f"shop:chat:{CHAT},router:score:{SCORE}:5"))
    assert [client.post("/chat", json=BODY, headers=bearer(CHAT)).status_code for _ in range(3)] == [200, 200, 429]

    def score(count: int) -> httpx.Response:
        return client.post("/score", json={"messages": [BODY] * count}, headers=bearer(SCORE))

    assert score(3).status_code == 200
    refused = score(5)
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "48" and "5 messages" in refused.text
    assert score(1).status_code == 200  # the fifth: of the five that were too many, only the request itself counted
    assert score(1).status_code == 429
    assert [client.post("/chat", json=BODY).status_code for _ in range(3)] == [401, 401, 429]  # guessing keys


def test_guessing_keys_at_metrics_is_counted_too(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.rate.time.time", lambda: 6012.5)
    client, _ = make(Settings(rate=2, keys=f"shop:chat:{CHAT}"))
    assert [client.get("/metrics", headers=bearer("guess")).status_code for _ in range(3)] == [401, 401, 429]
    assert client.get("/metrics", headers=bearer(CHAT)).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_cannot_write_unasked(make: Make, site: str) -> None:
    # What a browser sends without a preflight: a POST without a body, or one whose body has no content type.
    client, _ = make(Settings(cors_origins=(ORIGIN,)))
    strange = {"Sec-Fetch-Site": site, "Origin": "https://evil.example"}
    assert client.post("/conversations/c1/release", headers=strange).status_code == 403
    assert client.post("/chat", content=json.dumps(BODY), headers=strange).status_code == 403
    assert client.post("/chat", json=BODY, headers=strange | {"Origin": ORIGIN}).status_code == 200
    assert client.post("/chat", json=BODY, headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_other_origins_may_call_only_if_named(make: Make) -> None:
    preflight = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    closed, _ = make(Settings(keys=f"shop:chat:{CHAT}"))
    assert closed.options("/chat", headers=preflight).status_code == 405
    assert "Access-Control-Allow-Origin" not in closed.post("/chat", json=BODY, headers=bearer(CHAT) | {"Origin": ORIGIN}).headers
    client, _ = make(Settings(keys=f"shop:chat:{CHAT}", cors_origins=(ORIGIN,)))
    asked = client.options("/chat", headers=preflight)  # without a key
    assert asked.status_code == 200 and asked.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "authorization" in asked.headers["Access-Control-Allow-Headers"].lower()
    assert "Access-Control-Allow-Credentials" not in asked.headers
    answered = client.post("/chat", json=BODY, headers=bearer(CHAT) | {"Origin": ORIGIN})
    assert answered.status_code == 200 and answered.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert client.post("/chat", json=BODY, headers={"Origin": ORIGIN}).headers["Access-Control-Allow-Origin"] == ORIGIN  # a 401 too
    for stranger in ("https://shop.example.evil.example", "http://shop.example", "null"):
        assert client.options("/chat", headers=preflight | {"Origin": stranger}).status_code == 400
        headers = client.post("/chat", json=BODY, headers=bearer(CHAT) | {"Origin": stranger}).headers
        assert "Access-Control-Allow-Origin" not in headers and headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "origin", ["*", "https://*.example", "shop.example", "https://shop.example/", "https://Shop.example", "null"]
)
def test_origins_are_exact(origin: str) -> None:
    with pytest.raises(ConfigError, match="KEFU_CORS_ORIGINS"):
        Settings.from_environment({"KEFU_CORS_ORIGINS": origin})


def test_strangers_cannot_fill_the_audit_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("serving.audit.time.monotonic", lambda: clock[0])
    attempts = Attempts(Settings(state=tmp_path / "state.db"), per_minute=3)

    async def knock(times: int) -> None:
        for _ in range(times):
            await attempts.write("swap", key=None, request_id="r", outcome="unauthorized")

    asyncio.run(knock(10))
    clock[0] = 60.0
    asyncio.run(knock(1))
    written = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert len(written) == 4 and written[-1]["left_out"] == 7
