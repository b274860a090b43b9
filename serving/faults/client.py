"""A small HTTP client, a load of customers, and the book of what the server acknowledged."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

_TEXTS = ("怎么还不发货", "这件偏大吗", "运费谁出", "能开发票吗", "优惠券用不了", "收到是坏的", "改一下地址", "你好")
TIMEOUT = 10.0  # seconds that a customer waits: longer is a hang


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    Attributes:
        kind: The HTTP status; or `refused`, `broken` (the connection ended without an answer), `hung`.
        seconds: From sending to the last byte.
        body: The body; empty without an answer.
        headers: Names in lower case.
        at: `time.monotonic()` when it came.
    """

    kind: str
    seconds: float
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    at: float = 0.0

    def json(self) -> dict[str, Any]:
        """Returns the body as an object; an empty one if it is none."""
        with suppress(ValueError):
            found = json.loads(self.body)
            return found if isinstance(found, dict) else {}
        return {}


class Connection:
    """One keep-alive connection; it is opened when needed, and again after it broke."""

    def __init__(self, port: int, key: str = "") -> None:
        self._port = port
        self._key = f"Authorization: Bearer {key}\r\n" if key else ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, method: str, path: str, body: object = None) -> Reply:
        """Returns the reply; a failure is a kind of reply too."""
        started = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                kind, headers, content = await self._exchange(method, path, body)
        except TimeoutError:
            kind, headers, content = "hung", {}, b""
        except ConnectionRefusedError:
            kind, headers, content = "refused", {}, b""
        except (OSError, EOFError, ValueError):
            kind, headers, content = "broken", {}, b""
        if not kind.isdigit() or headers.get("connection") == "close":
            self.close()
        now = time.monotonic()
        return Reply(kind, now - started, content, headers, now)

    def close(self) -> None:
        """Closes the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _exchange(self, method: str, path: str, body: object) -> tuple[str, dict[str, str], bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._key}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" in headers:
            return status.split()[1], headers, await reader.readexactly(int(headers["content-length"]))
        raise ValueError("an answer without a length")


async def ask(port: int, method: str, path: str, body: object = None, *, key: str = "") -> Reply:
    """Returns the reply to one request on a connection of its own."""
    connection = Connection(port, key)
    try:
        return await connection.ask(method, path, body)
    finally:
        connection.close()


class Customers:
    """Customers who write one message after another, and say of each answer that it helped. They note every reply."""

    def __init__(self, port: int, *, key: str = "", count: int = 4, pause: float = 0.02, feedback: bool = True) -> None:
        """Makes them; nothing is sent yet.

        Args:
            port: Of the server.
            key: Their key; empty for none.
            count: How many write at the same time.
            pause: Seconds between an answer and the next message.
            feedback: Whether each answer gets feedback.
        """
        self._port, self._key, self._count, self._pause, self._feedback = port, key, count, pause, feedback
        self._name = f"{time.time_ns():x}"
        self._tasks: list[asyncio.Task[None]] = []
        self.replies: list[Reply] = []
        self.turns: dict[tuple[str, str], bytes] = {}
        self.praised: list[str] = []

    def start(self) -> None:
        """Begins to write."""
        self._tasks = [asyncio.create_task(self._write(number)) for number in range(self._count)]

    async def stop(self) -> None:
        """Lets nobody write any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def kinds(self) -> dict[str, int]:
        """Returns how many replies there were of each kind."""
        return dict(sorted(Counter(reply.kind for reply in self.replies).items()))

    def last_failure(self) -> float:
        """Returns when the last failed reply came, as `time.monotonic()`; 0 if none failed."""
        return max((reply.at for reply in self.replies if reply.kind != "200"), default=0.0)

    async def lost(self) -> int:
        """Asks for everything that was acknowledged again; returns how much the server no longer has as it was."""
        connection, lost = Connection(self._port, self._key), 0
        for (conversation, message), body in self.turns.items():
            again = {"conversation_id": conversation, "message_id": message, "text": _TEXTS[0]}
            reply = await _patiently(connection, "/chat", again)
            lost += reply.body != body or "idempotent-replayed" not in reply.headers
        for request_id in self.praised:
            reply = await _patiently(connection, "/feedback", {"request_id": request_id, "helpful": True})
            lost += reply.json().get("replaced") is not True
        connection.close()
        return lost

    async def _write(self, number: int) -> None:
        connection, turn = Connection(self._port, self._key), 0
        while True:
            conversation, message = f"{self._name}-{number}-{turn // 8}", f"m{turn}"
            request = {"conversation_id": conversation, "message_id": message, "text": _TEXTS[turn % len(_TEXTS)]}
            reply = await connection.ask("POST", "/chat", request)
            self.replies.append(reply)
            if reply.kind == "200":
                self.turns[conversation, message] = reply.body
                if self._feedback:
                    await self._praise(connection, str(reply.json()["request_id"]))
            turn += 1
            await asyncio.sleep(self._pause)

    async def _praise(self, connection: Connection, request_id: str) -> None:
        reply = await connection.ask("POST", "/feedback", {"request_id": request_id, "helpful": True})
        self.replies.append(reply)
        if reply.kind == "200":
            self.praised.append(request_id)


async def _patiently(connection: Connection, path: str, body: object) -> Reply:
    """Returns the reply to a request that is sent again while the server is busy, as one with Retry-After may be."""
    for _ in range(10):
        reply = await connection.ask("POST", path, body)
        if reply.kind != "503":
            break
        await asyncio.sleep(0.2)
    return reply


async def burst(port: int, *, rate: float, seconds: float, key: str = "", connections: int = 100) -> list[Reply]:
    """Returns the replies to messages that come at a rate, whether or not earlier ones are answered.

    Args:
        port: Of the server.
        rate: Messages a second.
        seconds: For how long.
        key: A key; empty for none.
        connections: How many are open, as a proxy keeps them; a message that finds none free is counted as `unsent`.
    """
    free = [Connection(port, key) for _ in range(connections)]
    for connection in free:
        await connection.ask("GET", "/livez")
    replies: list[Reply] = []
    name = f"{time.time_ns():x}"

    async def send(connection: Connection, number: int) -> None:
        request = {"conversation_id": f"{name}-{number}", "text": _TEXTS[number % len(_TEXTS)]}
        replies.append(await connection.ask("POST", "/chat", request))
        free.append(connection)

    started, number, tasks = time.monotonic(), 0, set[asyncio.Task[None]]()
    while (passed := time.monotonic() - started) < seconds:
        while number < passed * rate:
            if free:
                task = asyncio.create_task(send(free.pop(), number))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            else:
                replies.append(Reply("unsent", 0.0, at=time.monotonic()))
            number += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return replies
