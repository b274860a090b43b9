"""`python -m serving.bench_load`: the service under load, beside a plain FastAPI app on the same bundle. Needs `wrk`.

With `--native` also beside BentoML's own batching.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from data.errors import ConfigError, KefuError
from serving.bench import free_port, running
from serving.settings import ROOT, Settings

_SCRIPT = Path(__file__).with_suffix(".lua")
_DIALOGUES = ROOT / "data" / "ecommerce" / "dialogues" / "heldout_test.jsonl"
_README = ROOT / "README.md"
_MARKS = ("<!-- load -->", "<!-- /load -->")
_PAUSE = 1.0  # second between two runs, in which a server is done with what wrk left behind
_EVERY = 10_000  # requests between two looks at the memory


@dataclass(frozen=True, slots=True)
class Target:
    """A server that runs.

    Attributes:
        name: What the table calls it.
        port: Where it listens on loopback.
        pid: Its first process.
        ready: Seconds from its start to the first answer of /readyz.
        sizes: A file to which BentoML's workers add a byte a batch: how many messages it had. The others write none.
    """

    name: str
    port: int
    pid: int
    ready: float
    sizes: Path


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw in one run.

    Attributes:
        clients: Connections, each with one request at a time.
        seconds: How long it lasted.
        p50, p95, p99: Milliseconds, of all answers.
        served_p99: Milliseconds between reading a request and its answer, as the server says it, of answers with 200.
        statuses: Answers by HTTP status.
        lost: Connections that broke, and answers that took longer than two seconds.
    """

    clients: int
    seconds: float
    p50: float
    p95: float
    p99: float
    served_p99: float
    statuses: dict[str, int]
    lost: int

    @property
    def rate(self) -> float:
        """Answers with 200 a second."""
        return self.statuses.get("200", 0) / self.seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints a table; returns 2, with the reason on standard error, if it could not."""
    options = _parser().parse_args(arguments)
    try:
        check_wrk()
        with tempfile.TemporaryDirectory(prefix="kefu-load-") as folder:
            texts = write_conversations(_DIALOGUES, Path(folder) / "conversations")
            if options.requests:
                _endurance(options.requests, Path(folder))
                return 0
            report = _compare(options, Path(folder), texts)
    except KefuError as error:
        print(f"kefu: {error}", file=sys.stderr)
        return 2
    print(report)
    if options.readme:
        write_between(_README, _MARKS, report)
    return 0


def check_wrk() -> None:
    """Raises ConfigError if wrk is not installed."""
    if shutil.which("wrk") is None:
        raise ConfigError("the load comes from wrk, which is not installed; `apt-get install wrk` or `brew install wrk`")


def write_conversations(dialogues: Path, target: Path) -> int:
    """Writes what the customers of a dialogue file say, as the script reads it, and returns how many distinct texts that are."""
    texts: set[str] = set()
    lines = []
    for line in dialogues.read_text(encoding="utf-8").splitlines():
        said = [turn["text"] for turn in json.loads(line)["turns"] if turn["speaker"] == "user"]
        texts.update(said)
        if said:
            lines.append("\t".join(json.dumps(text, ensure_ascii=False) for text in said))
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(texts)


def drive(port: int, conversations: Path, *, clients: int, seconds: int, run: str) -> Load:
    """Returns what wrk saw.

    Args:
        port: Where the server listens on loopback.
        conversations: What `write_conversations` wrote.
        clients: Connections.
        seconds: How long.
        run: A name that begins the ids of its conversations, so that no two runs share one.

    Raises:
        ConfigError: wrk could not do it.
    """
    # One thread: wrk must not take both cores. Twice as many conversations as clients, so that none has two messages under way.
    command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "-s", str(_SCRIPT), f"http://127.0.0.1:{port}", "--"]
    command += [str(conversations), f"{run}-", str(2 * clients)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return parse(done.stdout, clients, done.stderr)


def parse(output: str, clients: int, errors: str = "") -> Load:
    """Returns the last line of wrk's output, which the script wrote, as a Load.

    Raises:
        ConfigError: It is not there.
    """
    lines = output.strip().splitlines()
    if not lines or not lines[-1].startswith("{"):
        raise ConfigError(f"wrk ended without figures: {(errors or output).strip()[-300:]}; run it by hand with {_SCRIPT.name}")
    return Load(clients=clients, **json.loads(lines[-1]))


def worker_megabytes(pid: int) -> list[int]:
    """Returns the memory of each worker below a process (PSS: pages that several share count in part), largest first."""
    found = []
    for child in _descendants(pid):
        try:
            rollup = Path(f"/proc/{child}/smaps_rollup").read_text(encoding="ascii")
        except OSError:  # it ended meanwhile
            continue
        size = next(int(line.split()[1]) // 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
        if size > 100:  # the others only start and watch
            found.append(size)
    return sorted(found, reverse=True)


def write_between(path: Path, marks: tuple[str, str], text: str) -> None:
    """Replaces what stands between two marks in a file.

    Raises:
        ConfigError: A mark is missing.
    """
    before, opened, rest = path.read_text(encoding="utf-8").partition(marks[0])
    _, closed, after = rest.partition(marks[1])
    if not opened or not closed:
        raise ConfigError(f"{path.name} has no {marks[0]} … {marks[1]} to write between; put the two marks there")
    path.write_text(f"{before}{opened}\n{text}\n{closed}{after}", encoding="utf-8")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m serving.bench_load", description=__doc__)
    parser.add_argument("--clients", default="1,8,32,128,512", help="clients at once, with commas")
    parser.add_argument("--seconds", type=int, default=10, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="whose medians are shown")
    parser.add_argument(
        "--requests", type=int, default=0, help="instead: so many requests with 8 clients, and the memory meanwhile"
    )
    parser.add_argument("--native", action="store_true", help="also BentoML's own batching, and the batches that it forms")
    parser.add_argument("--readme", action="store_true", help=f"also write the table into README.md, after {_MARKS[0]}")
    return parser


def _compare(options: argparse.Namespace, folder: Path, texts: int) -> str:
    clients = [int(number) for number in options.clients.split(",")]
    loads: dict[tuple[str, int], list[Load]] = {}
    memory: dict[tuple[str, int], int] = {}
    batches: dict[int, bytes] = {}
    with ExitStack() as stack:
        starts = (_kefu, _plain, native) if options.native else (_kefu, _plain)
        targets = [stack.enter_context(start(folder)) for start in starts]
        for target in targets:
            drive(target.port, folder / "conversations", clients=4, seconds=2, run="warm")
        for run in range(options.runs):
            for count in clients:
                for target in targets if run % 2 == 0 else targets[::-1]:
                    time.sleep(_PAUSE)
                    before = len(_sizes(target))
                    load = drive(
                        target.port, folder / "conversations", clients=count, seconds=options.seconds, run=f"{run}-{count}"
                    )
                    key = target.name, count
                    loads.setdefault(key, []).append(load)
                    memory[key] = max(worker_megabytes(target.pid), default=0)
                    batches[count] = batches.get(count, b"") + _sizes(target)[before:]
                    _tell(
                        f"run {run + 1} of {options.runs}, {target.name}, {count} clients: {load.rate:.0f}/s, p99 {load.p99:.0f} ms"
                    )
    lines = [
        f"`python -m serving.bench_load`, {datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, shared with the load (wrk, one "
        f"thread); default settings, the log sent to /dev/null; {texts} distinct texts in their conversations; medians of "
        f"{options.runs} runs of {options.seconds} s; MB is the largest worker's (PSS). "
        f"Ready after {', '.join(f'{target.ready:.1f} s ({target.name})' for target in targets)}.",
        "",
        "| server | clients | answers/s | p50 ms | p95 ms | p99 ms | served p99 ms | 503 | other errors | MB |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for (name, count), runs in sorted(loads.items(), key=lambda item: (item[0][1], item[0][0] != "kefu")):
        lines.append(f"| {name} | {count} | {_cells(runs)} | {memory[name, count]} |")
    if options.native:
        means = ", ".join(f"{statistics.fmean(sizes or [0]):.2f} at {count} clients" for count, sizes in sorted(batches.items()))
        lines += ["", f"Messages in a batch of BentoML's, mean: {means}."]
    return "\n".join(lines)


def _cells(runs: list[Load]) -> str:
    def middle(name: str) -> float:
        return float(statistics.median(getattr(run, name) for run in runs))

    shed = sum(run.statuses.get("503", 0) for run in runs)
    other = sum(sum(run.statuses.values()) + run.lost for run in runs) - shed - sum(run.statuses.get("200", 0) for run in runs)
    times = " | ".join(f"{middle(name):.1f}" for name in ("p50", "p95", "p99", "served_p99"))
    return f"{middle('rate'):.0f} | {times} | {shed} | {other}"


def _endurance(requests: int, folder: Path) -> None:
    """Prints the memory of the workers each 10,000 requests."""
    done, seconds = 0, 5
    with _kefu(folder) as target:
        print(f"{0:>8} answers  {worker_megabytes(target.pid)} MB", flush=True)
        while done < requests:
            load = drive(target.port, folder / "conversations", clients=8, seconds=seconds, run=f"long-{done}")
            before, done = done, done + sum(load.statuses.values())
            seconds = max(5, min(60, round((_EVERY - done % _EVERY) / max(load.rate, 1.0))))
            if done // _EVERY > before // _EVERY:
                shown = ", ".join(f"{status}: {count}" for status, count in sorted(load.statuses.items()))
                print(f"{done:>8} answers  {worker_megabytes(target.pid)} MB  {load.rate:.0f}/s  {shown}", flush=True)


@contextmanager
def _kefu(folder: Path) -> Iterator[Target]:
    yield from _started("kefu", folder, ["-m", "serving"])


@contextmanager
def _plain(folder: Path) -> Iterator[Target]:
    workers = str(Settings.from_environment().workers)
    command = ["-m", "uvicorn", "serving.bench_plain:app", "--workers", workers, "--port", "PORT"]
    yield from _started("plain FastAPI", folder, [*command, "--no-access-log", "--log-level", "warning"])


@contextmanager
def native(folder: Path) -> Iterator[Target]:
    """Runs BentoML's own batching (serving/bench_native.py), with its state in a folder, until the block ends."""
    command = ["-m", "bentoml", "serve", "--quiet", "serving.bench_native:Native", "--host", "127.0.0.1", "--port", "PORT"]
    yield from _started("BentoML's batching", folder, [*command, "--working-dir", str(ROOT)])


def _started(name: str, folder: Path, command: list[str]) -> Iterator[Target]:
    port = free_port()
    state = folder / f"state-{port}.db"
    # OMP_NUM_THREADS as the service sets it for itself, so that all have what they need.
    environment = {
        "KEFU_PORT": str(port), "KEFU_STATE": str(state), "OMP_NUM_THREADS": "1", "BENTOML_DO_NOT_TRACK": "True",
        "BENTOML_HOME": str(folder / f".bentoml-{port}"),
    }  # fmt: skip
    command = [str(port) if word == "PORT" else word for word in command]
    started = time.monotonic()
    with running([sys.executable, *command], port, environment) as process:
        yield Target(name, port, process.pid, time.monotonic() - started, state.with_suffix(".batches"))


def _sizes(target: Target) -> bytes:
    return target.sizes.read_bytes() if target.sizes.exists() else b""


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(int(status.parent.name))
    found, todo = [], [pid]
    while todo:
        own = children.get(todo.pop(), [])
        found += own
        todo += own
    return found


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
