"""The load generator, against a server of our own: what it sends, and how its figures are read. No time is judged."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from data.errors import ConfigError
from serving.bench_load import drive, native, parse, write_between, write_conversations
from tests.required import require

DIALOGUES = [["你好", '他说"不行"'], ["在吗\t亲", "退款", "谢谢"]]
LINE = '{"seconds": 2, "p50": 1, "p95": 2, "p99": 3, "served_p99": 2.5, "lost": 1, "statuses": {"200": 30, "503": 4}}'


class Asked(BaseHTTPRequestHandler):
    """Notes every message; each fifth is turned away."""

    protocol_version = "HTTP/1.1"
    messages: list[dict[str, str]]

    def do_POST(self) -> None:
        self.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        busy = len(self.messages) % 5 == 0
        body = b"{}" if busy else b'{"latency_ms": 7.5}'
        self.send_response(503 if busy else 200)
        if busy:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def asked() -> Iterator[tuple[int, list[dict[str, str]]]]:
    messages: list[dict[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Asked,), {"messages": messages}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, messages
    server.shutdown()
    server.server_close()


@pytest.fixture
def conversations(tmp_path: Path) -> Path:
    turns = [[{"speaker": "user", "text": text} for text in dialogue] for dialogue in DIALOGUES]
    lines = [json.dumps({"turns": [{"speaker": "agent", "text": "您好"}, *said]}) for said in turns]
    (tmp_path / "dialogues.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert write_conversations(tmp_path / "dialogues.jsonl", tmp_path / "conversations") == 5
    return tmp_path / "conversations"


def test_conversations_are_played_in_order(asked: tuple[int, list[dict[str, str]]], conversations: Path) -> None:
    require("wrk", "wrk")
    port, messages = asked
    load = drive(port, conversations, clients=2, seconds=1, run="a")
    assert load.lost == 0 and load.statuses["200"] > load.statuses["503"] > 0 and load.served_p99 == 7.5
    said: dict[str, list[str]] = {}
    for message in messages:
        said.setdefault(message["conversation_id"], []).append(message["text"])
    begun = sorted(said, key=lambda name: int(name.removeprefix("a-")))[1:]  # wrk keeps the very first message for itself
    assert len(begun) > 4 and [len(said[name]) for name in begun[:2]] == [3, 2]
    assert all(said[name] == DIALOGUES[(number + 1) % 2][: len(said[name])] for number, name in enumerate(begun))


def test_figures_are_read_from_the_last_line() -> None:
    load = parse(f"Running 2s test\n  Latency 1ms\n{LINE}\n", clients=8)
    assert (load.rate, load.p99, load.statuses["503"], load.lost, load.clients) == (15, 3, 4, 1, 8)
    with pytest.raises(ConfigError, match="unable to connect"):
        parse("", 8, "unable to connect to 127.0.0.1:1")


def test_the_table_goes_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("a\n<!-- load -->\nold\n<!-- /load -->\nb\n", encoding="utf-8")
    write_between(page, ("<!-- load -->", "<!-- /load -->"), "new")
    assert page.read_text(encoding="utf-8") == "a\n<!-- load -->\nnew\n<!-- /load -->\nb\n"
    with pytest.raises(ConfigError, match="no <!-- other -->"):
        write_between(page, ("<!-- other -->", "<!-- /load -->"), "new")


def test_bentoml_batches_what_comes_together(bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEFU_BUNDLES", str(bundles))
    monkeypatch.setenv("KEFU_WORKERS", "1")
    names = [f"c{number}" for number in range(200)]
    with native(tmp_path) as target, httpx.Client(base_url=f"http://127.0.0.1:{target.port}", timeout=20) as client:

        def say(name: str) -> tuple[str, int]:
            answer = client.post("/chat", json={"conversation_id": name, "text": "你好"}).raise_for_status().json()
            return answer["conversation_id"], answer["turn"]

        with ThreadPoolExecutor(16) as threads:
            assert list(threads.map(say, names)) == [(name, 1) for name in names]
        sizes = target.sizes.read_bytes()
    assert sum(sizes) == len(names) and 1 < max(sizes) <= 8
