"""A real redis-server for the tests, on a free port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

PASSWORD = "tests/only"  # the slash must be written %2F


class RedisServer:
    """Starts at once; may be stopped, started again, and frozen."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        self.url = f"redis://:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*command, "--dir", str(self._folder)], stdout=log, stderr=log)
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"redis-server did not start:\n{(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def emptied(self) -> str:
        """Forgets everything and returns the URL."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()
        return self.url

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It holds its connections and answers nothing, like a machine that hangs."""
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)
