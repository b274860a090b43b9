"""The processes that the faults befall: a server with its supervisor, and a Redis. Each has a folder of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from serving.bench import free_port
from serving.faults.client import ask
from serving.settings import ROOT

KEY = "fault-runs-only-0123456789"
_READY_SECONDS = 180.0


class Server:
    """`python -m serving` on a free port, with two workers. `supervise` starts it again whenever it ends."""

    def __init__(self, bundles: Path, folder: Path, **environment: str) -> None:
        """Starts nothing yet.

        Args:
            bundles: The folder of bundles.
            folder: Where state and log go.
            environment: Further settings.
        """
        self.port = free_port()
        self.log = folder / "log"
        self.starts = 0
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("KEFU_", "BENTOML_HOME"))}
        self._environment = clean | {
            "KEFU_BUNDLES": str(bundles), "KEFU_STATE": str(folder / "state.db"), "KEFU_PORT": str(self.port), "KEFU_WORKERS": "2",
            "KEFU_KEYS": f"faults:chat+score+feedback+admin:{KEY}", "KEFU_RELOAD_SECONDS": "1", "KEFU_LOG_LEVEL": "WARNING",
        } | environment  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The parent's process id."""
        if self._process is None:
            raise RuntimeError("the server was not started")
        return self._process.pid

    async def start(self) -> None:
        """Starts it, and waits until both workers serve."""
        self._spawn()
        await self.wait_ready()
        await self.wait_workers(2)

    async def supervise(self) -> None:
        """Starts it, and from now on again when it ended, as systemd or Kubernetes would."""
        await self.start()
        self._supervisor = asyncio.create_task(self._restart())

    async def stop(self) -> None:
        """Ends it, politely first."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, 20)
        self.kill()

    def kill(self) -> None:
        """Kills parent and workers at once, with no chance to tidy up."""
        if self._process is None:
            return
        workers = self.workers()
        self._process.kill()
        for pid in workers:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()

    def workers(self) -> list[int]:
        """Returns the process ids of the workers."""
        with suppress(psutil.Error):
            children = psutil.Process(self.pid).children(recursive=True)
            return sorted(child.pid for child in children if _is_worker(child))
        return []

    async def wait_ready(self) -> None:
        """Waits until it answers.

        Raises:
            RuntimeError: It does not, in time.
        """
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end:
            if (await ask(self.port, "GET", "/readyz")).kind == "200":
                return
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the server was not ready within {_READY_SECONDS:.0f} s:\n{self.log.read_text()[-2000:]}")

    async def wait_workers(self, count: int) -> None:
        """Waits until so many workers have loaded the bundle.

        Raises:
            RuntimeError: They have not, in time.
        """
        end = time.monotonic() + _READY_SECONDS
        while time.monotonic() < end:
            if await self.series("kefu_bundle_info{") == count:
                return
            await asyncio.sleep(0.1)
        raise RuntimeError(f"not {count} workers within {_READY_SECONDS:.0f} s:\n{self.log.read_text()[-2000:]}")

    async def series(self, beginning: str) -> float:
        """Returns the sum of the series at /metrics whose name and labels begin so."""
        reply = await ask(self.port, "GET", "/metrics", key=KEY)
        lines = reply.body.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(beginning))

    def _spawn(self) -> None:
        self.starts += 1
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "serving"]
            self._process = subprocess.Popen(  # noqa: S603 - our own server
                command, cwd=ROOT, env=self._environment, stdout=out, stderr=out
            )

    async def _restart(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            if self._process is not None and self._process.poll() is not None:
                self._spawn()


class Redis:
    """A real redis-server that writes every change to its file before it acknowledges."""

    def __init__(self, folder: Path) -> None:
        """Starts it."""
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    def start(self) -> None:
        """Starts it, after a kill with what it had."""
        command = [
            "redis-server",
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]
        command += ["--dir", str(self._folder)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
        for _ in range(200):
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError("redis-server did not start")

    def kill(self) -> None:
        """Kills it."""
        self._process.kill()
        self._process.wait()


def _is_worker(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # a zombie has no command line
        return "_bentoml_impl.worker.service" in " ".join(process.cmdline())
    return False
