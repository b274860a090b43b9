"""A chat widget made for Rasa's REST channel, from its registry, in a real browser, against a real server."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from tests.serving.conftest import Server, npm_package

WIDGET = "@scalableminds/chatroom@0.12.0"
PAGE = """<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="package/dist/Chatroom.css"><div id="chat"></div>
<script src="package/dist/Chatroom.js"></script>
<script>new Chatroom({host: "/kefu", title: "客服", container: document.querySelector("#chat")}).openChat()</script>"""


class Shop(SimpleHTTPRequestHandler):
    """A shop's site: its own files, and kefu under /kefu, as a reverse proxy would put it there."""

    def __init__(self, *args: Any, kefu: str, **more: Any) -> None:
        self._kefu = kefu
        super().__init__(*args, **more)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = httpx.post(
            self._kefu + self.path.removeprefix("/kefu"), content=body, headers={"Content-Type": "application/json"}
        )
        self.send_response(answer.status_code)
        self.send_header("Content-Type", answer.headers["Content-Type"])
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def shop(server: Server, tmp_path: Path) -> Iterator[str]:
    """The address of a page with the widget."""
    npm_package(WIDGET, tmp_path)
    (tmp_path / "index.html").write_text(PAGE, encoding="utf-8")
    site = ThreadingHTTPServer(("127.0.0.1", 0), partial(Shop, kefu=server.url, directory=str(tmp_path)))
    Thread(target=site.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{site.server_port}/"
    site.shutdown()
    site.server_close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a headless browser."""
    opened = browser.new_page()
    yield opened
    opened.close()


def test_the_widget_shows_the_reply_and_its_buttons_work(shop: str, page: Any) -> None:
    page.goto(shop)
    box = page.locator("input[type=text]")
    box.fill("怎么查物流")
    box.press("Enter")
    page.locator("li.chat.left", has_text="点“查看物流”").wait_for(timeout=15_000)

    box.fill("怎么申请退货")
    box.press("Enter")
    page.locator("li.chat.left", has_text="签收 7 天内可以申请退货").wait_for(timeout=15_000)
    page.locator("li.chat-button:not(.chat-button-disabled)", has_text="退货运费谁出").click(timeout=15_000)
    page.locator("li.chat.right", has_text="退货运费谁出").wait_for(timeout=15_000)
    page.locator("li.chat.left", has_text="质量问题由我们承担运费").wait_for(timeout=15_000)
