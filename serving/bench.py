"""`python -m serving.bench`: how fast the current bundle is, in process and over HTTP. Medians over several runs."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from threadpoolctl import threadpool_limits

from data.errors import ConfigError
from models.analyzer import Analyzer, Request
from models.bundle import load_bundle
from serving.checks import bundle_path
from serving.settings import Settings

_RUNS = 5
_TEXTS = (
    "怎么还不发货", "这件偏大吗", "运费谁出", "我要退货", "能开发票吗", "优惠券用不了", "收到是坏的", "什么时候到",
    "改一下地址", "退款到哪了", "有没有黑色的L码", "转人工", "昨天买的今天就降价了", "发错颜色了", "保修多久", "你好",
)  # fmt: skip
_READY_SECONDS = 60.0


def main() -> int:
    """Measures and prints a table."""
    settings = Settings.from_environment()
    analyzer = Analyzer(load_bundle(bundle_path(settings)))
    with threadpool_limits(1):  # as the service sets for itself: a second thread would only spin
        rows = [("analyze, one short message, one thread", *_runs(_analyze(analyzer), 200))]
    with _server() as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        rows.append(("POST /chat, one client", *_runs(_chat(connection), 200)))
        rows.append(("POST /score, 32 messages", *_runs(_score(connection), 20)))
    print(f"{'what':<42}{'p50 ms':>8}{'p99 ms':>8}   median of {_RUNS} runs")
    for name, middle, high in rows:
        print(f"{name:<42}{middle:>8.2f}{high:>8.2f}")
    return 0


def _runs(work: Callable[[int], None], count: int) -> tuple[float, float]:
    """Returns (p50, p99) in milliseconds, each the median over the runs."""
    for number in range(20):
        work(number)
    middles, highs = [], []
    for run in range(_RUNS):
        times = []
        for number in range(count):
            start = time.perf_counter()
            work(run * count + number)
            times.append((time.perf_counter() - start) * 1000)
        times.sort()
        middles.append(statistics.median(times))
        highs.append(times[min(len(times) - 1, int(len(times) * 0.99))])
    return statistics.median(middles), statistics.median(highs)


def _analyze(analyzer: Analyzer) -> Callable[[int], None]:
    return lambda number: (analyzer.analyze([Request(_TEXTS[number % len(_TEXTS)])]), None)[1]


def _chat(connection: http.client.HTTPConnection) -> Callable[[int], None]:
    def work(number: int) -> None:
        _post(connection, "/chat", {"conversation_id": f"bench-{os.getpid()}-{number}", "text": _TEXTS[number % len(_TEXTS)]})

    return work


def _score(connection: http.client.HTTPConnection) -> Callable[[int], None]:
    messages = [{"text": text} for text in _TEXTS * 2]
    return lambda _: _post(connection, "/score", {"messages": messages})


def _post(connection: http.client.HTTPConnection, path: str, body: object) -> None:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path} answered {response.status}: {text[:200]!r}")


@contextmanager
def running(command: Sequence[str], port: int, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server, once it is ready at a port, until the block ends.

    Args:
        command: Program and arguments.
        port: Where it will listen on loopback.
        environment: Added to our own.
    """
    process = subprocess.Popen(  # noqa: S603
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _wait(port, process)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    """Returns a port that was free a moment ago, and that the system hands to nobody who asks for any port.

    Between now and the server's start, one of those would now and then be given to somebody else: to Circus, which opens two
    for itself, or to the very connection that waits for the server.
    """
    handed_out = _handed_out_ports()
    candidates = [port for port in range(10_000, 65_536) if port not in handed_out] or list(handed_out)
    for port in random.SystemRandom().sample(candidates, min(100, len(candidates))):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise ConfigError("a hundred ports were tried and none is free; stop what holds them")


def _handed_out_ports() -> range:
    """Returns the ports from which the system gives any: what Linux says, else what IANA recommends."""
    setting = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first, last = map(int, setting.read_text().split()) if setting.exists() else (49_152, 65_535)
    return range(first, last + 1)


@contextmanager
def _server() -> Iterator[int]:
    """Serves the current bundle on a free port, with state of its own, until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = {"KEFU_PORT": str(port), "KEFU_STATE": str(Path(folder) / "state.db")}
        with running([sys.executable, "-m", "serving"], port, environment):
            yield port


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _READY_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ConfigError("the server stopped at once; run `python -m serving` to see why")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.02)
    raise ConfigError(f"the server was not ready within {_READY_SECONDS:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
