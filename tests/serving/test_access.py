"""Keys: who may ask for what, how they are written down, and what is written of admins."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import HTTPConnection
from starlette.responses import Response

from data.errors import ConfigError
from serving import access
from serving.access import Access, parse_keys, read_keys
from serving.audit import audit
from serving.errors import UnauthorizedError
from serving.openapi import openapi
from serving.operation import Call, Operation
from serving.scope import Scope
from serving.settings import Settings
from tests.serving.conftest import Make
from tests.serving.test_app import BODY
from tests.serving.test_start import run

CHAT, SCORE, BOSS = "chat-0123456789abcdef", "score-0123456789abcdef", "admin-0123456789abcdef"
KEYS = f"shop:chat+feedback:{CHAT}, router:score:{SCORE}, boss:admin:sha256={hashlib.sha256(BOSS.encode()).hexdigest()}"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def _swap(call: Call) -> Response:
    await audit(call, "bundle.swap", bundle="b1", phone="13800138000")
    return Response(call.key)


@pytest.fixture
def with_admin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.app.OPERATIONS", (Operation("swap", "POST", "/admin/swap", Scope.ADMIN, "Swaps", _swap),))


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]


def test_a_key_opens_what_its_scopes_name(make: Make) -> None:
    client, _ = make(Settings(keys=KEYS))
    assert client.post("/chat", json=BODY, headers=bearer(CHAT)).status_code == 200
    assert client.post("/chat", json=BODY, headers={"X-API-Key": CHAT}).status_code == 200
    assert client.post("/chat", json=BODY, headers={"Authorization": f"bearer  {CHAT}"}).status_code == 200
    proxied = {"Authorization": "Basic Zm9vOmJhcg==", "X-API-Key": CHAT}
    assert client.post("/chat", json=BODY, headers=proxied).status_code == 200
    lacking = client.post("/score", json={"messages": [BODY]}, headers=bearer(CHAT))
    assert lacking.status_code == 403 and lacking.json()["error"]["type"] == "forbidden"
    assert "scope score" in lacking.json()["error"]["message"] and CHAT not in lacking.text


@pytest.mark.parametrize(
    "headers", [{}, bearer(""), bearer("chat-0123456789abcdeg"), {"X-API-Key": "x"}, {"X-API-Key": "ÿ"}, bearer(CHAT[:-1])]
)
def test_without_a_known_key_nothing_is_done(make: Make, headers: dict[str, str]) -> None:
    client, _ = make(Settings(keys=KEYS))
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = client.post("/chat", content=b"not even JSON", headers=raw)
    assert response.status_code == 401 and response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["error"]["type"] == "unauthorized"


def test_page_and_documents_stay_open_and_metrics_take_any_key(make: Make) -> None:
    client, _ = make(Settings(keys=KEYS))
    assert {client.get(path).status_code for path in ("/", "/page/chat.js", "/openapi.json", "/docs.json")} == {200}
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers=bearer(SCORE)).status_code == 200


def test_without_keys_all_is_open_but_admin(make: Make, with_admin: None) -> None:
    client, _ = make(Settings())
    assert client.get("/metrics").status_code == 200
    refused = client.post("/admin/swap", headers=bearer(BOSS))
    assert refused.status_code == 403 and "scope admin" in refused.json()["error"]["message"]


def come(to: str, host: str = "localhost:3000", **settings: str) -> object:
    """Asks at an address, by the name of a host."""
    asked = HTTPConnection({"type": "http", "headers": [(b"host", host.encode())], "server": (to, 3000)})
    return Access(Settings(**settings)).check(asked, Scope.CHAT)  # type: ignore[arg-type]


def test_without_keys_only_this_machine_is_served() -> None:
    assert come("127.0.0.1") is None and come("::1") is None and come("/run/kefu.sock") is None
    for address in ("192.168.1.5", "2001:db8::1"):
        with pytest.raises(access.ForbiddenError, match="KEFU_KEYS"):
            come(address)
    with pytest.raises(UnauthorizedError):
        come("127.0.0.1", keys=KEYS)


@pytest.mark.parametrize("to", ["127.0.0.1", "::1"])
def test_without_keys_a_site_whose_name_points_here_reads_nothing(to: str) -> None:
    for host in ("localhost", "LOCALHOST:3000", "127.0.0.1", "127.0.0.1:3000", "[::1]", "[::1]:80"):
        assert come(to, host) is None
    for host in (
        "shop.example",
        "shop.example:3000",
        "127.0.0.1.shop.example",
        "localhost.shop.example:3000",
        "10.0.0.1",
        "[::1",
        "",
    ):
        with pytest.raises(access.ForbiddenError, match="Host"):
            come(to, host)
        with pytest.raises(UnauthorizedError):
            come(to, host, keys=KEYS)


def test_by_a_strange_name_no_operation_answers(make: Make) -> None:
    client, _ = make(Settings())
    client.base_url = "http://127.0.0.1:3000"  # type: ignore[assignment]
    for path in ("/conversations/c1", "/metrics"):
        assert client.get(path).status_code == 200
        refused = client.get(path, headers={"Host": "shop.example"})
        assert refused.status_code == 403 and "localhost" in refused.json()["error"]["message"]


def test_admin_acts_and_attempts_are_audited(make: Make, with_admin: None, tmp_path: Path) -> None:
    client, _ = make(Settings(keys=KEYS, state=tmp_path / "state.db"))
    done = client.post("/admin/swap", headers=bearer(BOSS))
    assert done.status_code == 200 and done.text == "boss"
    client.post("/admin/swap", headers=bearer(CHAT))
    client.post("/admin/swap")
    written = lines(tmp_path)
    assert [(line["act"], line["key"], line["outcome"]) for line in written] == [
        ("bundle.swap", "boss", "ok"), ("swap", "shop", "forbidden"), ("swap", None, "unauthorized"),
    ]  # fmt: skip
    assert written[0]["request_id"] == done.headers["X-Request-ID"] and written[0]["bundle"] == "b1"
    assert written[0]["phone"] == "[phone]" and written[0]["time"].endswith("+00:00")
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_an_act_that_cannot_be_audited_is_an_error(make: Make, with_admin: None, tmp_path: Path) -> None:
    client, _ = make(Settings(keys=KEYS, audit=tmp_path))
    response = client.post("/admin/swap", headers=bearer(BOSS))
    assert response.status_code == 503 and "KEFU_AUDIT" in response.json()["error"]["message"]


def test_every_key_is_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def spy(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(access, "hmac", type("Spy", (), {"compare_digest": staticmethod(spy)}))
    keys = Access(Settings(keys=KEYS))
    for secret in (CHAT, SCORE, BOSS, "nobody-0123456789abcdef"):
        headers = [(b"x-api-key", secret.encode())]
        compared.clear()
        try:
            keys.check(HTTPConnection({"type": "http", "headers": headers}), None)
        except UnauthorizedError:
            assert secret.startswith("nobody")
        assert len(compared) == 3 and all(len(one) == len(other) == 32 for one, other in compared)


@pytest.mark.parametrize(
    "text",
    ["hunter2", "shop:chat:hunter2", "shop:chat:aaaaaaaaaaaaaaaaaaaaaaaa", "shop:hunter2hunter2hunter2:chat", f"shop:chat:{CHAT}:5:5",
     f"shop:chat:{CHAT}:often", f"shop::{CHAT}", f":chat:{CHAT}", "shop:chat:sha256=hunter2", "shop:chat:hunter2 hunter2 hunter2", "shop:chat:CHANGE-ME-hunter2-0123456789",
     f"shop:chat:{CHAT},shop:score:{SCORE}", f"shop:chat:{CHAT},other:score:{CHAT}",
     f"shop:chat:{CHAT},other:score:sha256={hashlib.sha256(CHAT.encode()).hexdigest()}"],
)  # fmt: skip
def test_bad_keys_are_refused_without_a_word_of_them(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Access(Settings(keys=text))
    shown = str(caught.value) + repr(caught.value.__cause__) + repr(Settings(keys=text))
    assert "hunter2" not in shown and CHAT not in shown and SCORE not in shown


def test_keys_with_a_limit_of_their_own() -> None:
    one, other = parse_keys(f"shop:chat:{CHAT}:600\nrouter:score+chat:{SCORE}")
    assert (one.rate, other.rate, other.scopes) == (600, None, {Scope.SCORE, Scope.CHAT})


@pytest.mark.parametrize("suffix", ["yaml", "jsonl"])
def test_key_files(suffix: str, tmp_path: Path) -> None:
    rows = [
        {"name": "shop", "scopes": ["chat"], "secret": CHAT},
        {"name": "boss", "scopes": ["admin"], "rate": 5, "sha256": "0" * 64},
    ]
    path = tmp_path / f"keys.{suffix}"
    path.write_text(json.dumps(rows) if suffix == "yaml" else "\n".join(map(json.dumps, rows)), encoding="utf-8")
    shop, boss = read_keys(path)
    assert shop.digest == hashlib.sha256(CHAT.encode()).digest() and (boss.rate, boss.digest) == (5, bytes(32))


@pytest.mark.parametrize(
    "text",
    ["", "hunter2: [", "hunter2", "- hunter2", "[]", "- {name: a, scopes: [chat], secret: 1234567890123456}", "- {hunter2: x}",
     "- {name: a, scopes: chat, secret: chat-0123456789abcdef}", "- {name: a, scopes: [chat]}", "- !!python/object:hunter2 {}", "- !!int ", "- !!bool hunter2"],
)  # fmt: skip
def test_bad_key_files_are_refused_without_a_word_of_them(text: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"keys\.yaml") as caught:
        read_keys(path)
    assert "hunter2" not in str(caught.value) and CHAT not in str(caught.value)


def test_a_changed_file_is_read_again_and_a_bad_one_is_not(make: Make, tmp_path: Path) -> None:
    path, later = tmp_path / "keys.yaml", 2_000_000_000

    def write(text: str) -> None:
        nonlocal later
        path.write_text(text, encoding="utf-8")
        os.utime(path, (later := later + 1, later))

    def status(secret: str) -> int:
        return client.post("/chat", json=BODY, headers=bearer(secret)).status_code

    write(f"- {{name: shop, scopes: [chat], secret: {CHAT}}}")
    client, _ = make(Settings(keys_file=path))
    assert (status(CHAT), status(SCORE)) == (200, 401)
    write(f"- {{name: shop, scopes: [chat], secret: {SCORE}}}")
    assert (status(CHAT), status(SCORE)) == (401, 200)
    write("- broken")
    assert (status(CHAT), status(SCORE)) == (401, 200)
    path.unlink()
    assert (status(CHAT), status(SCORE)) == (401, 200)


def test_documented() -> None:
    document = openapi()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "header"}
    chat = document["paths"]["/chat"]["post"]
    assert chat["security"] == [{"bearer": ["chat"]}, {"header": ["chat"]}] and {"401", "403"} <= set(chat["responses"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_the_network_is_refused_without_keys(host: str, bundles: Path, tmp_path: Path) -> None:
    result = run("-m", "serving", KEFU_BUNDLES=str(bundles), KEFU_STATE=str(tmp_path / "s.db"), KEFU_HOST=host)
    assert result.returncode == 2 and "KEFU_KEYS" in result.stderr and "Traceback" not in result.stderr


def test_weak_keys_stop_the_start(bundles: Path, tmp_path: Path) -> None:
    result = run("-m", "serving", KEFU_BUNDLES=str(bundles), KEFU_STATE=str(tmp_path / "s.db"), KEFU_KEYS="shop:chat:hunter2")
    assert result.returncode == 2 and "weak" in result.stderr and "hunter2" not in result.stderr
