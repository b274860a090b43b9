"""The fault runs. Each returns what was measured, and whether that is what was promised."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.faults.client import Customers, ask, burst
from serving.faults.server import KEY, Redis, Server

_UNAVAILABLE = {"200", "503"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """One fault run.

    Attributes:
        name: Of the run.
        did: The fault.
        expected: What was promised.
        requests: How many requests there were.
        kinds: Replies by HTTP status, or by how a connection ended.
        seconds: From the fault, or its end, until all was well again; None where nothing was ever amiss.
        lost: Acknowledged turns and feedback that are gone.
        faults: What was not as promised; empty if it passed.
        notes: More that was measured.
    """

    name: str
    did: str
    expected: str
    requests: int
    kinds: dict[str, int]
    seconds: float | None
    lost: int
    faults: tuple[str, ...]
    notes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs find and leave things.

    Attributes:
        bundles: A copy of the folder of bundles; runs may damage it.
        folder: A temporary folder of this run alone.
    """

    bundles: Path
    folder: Path


Run = Callable[[Place], Coroutine[Any, Any, Outcome]]


async def worker_killed(place: Place) -> Outcome:
    """Kills one of two workers under load."""
    async with _serving(place) as (server, customers):
        await asyncio.sleep(2)
        victim, killed = server.workers()[0], time.monotonic()
        os.kill(victim, signal.SIGKILL)
        while (victim in server.workers() or len(server.workers()) < 2) and time.monotonic() < killed + 40:
            await asyncio.sleep(0.2)
        await server.wait_workers(2)
        seconds = time.monotonic() - killed
        await asyncio.sleep(1)
        await customers.stop()
        failed = [reply for reply in customers.replies if reply.kind != "200"]
        faults = [
            *_unless(len(failed) <= len(customers.replies) * 0.05, f"{len(failed)} failed replies"),
            *_unless(customers.last_failure() < killed + 5, "failures went on"),
            *_unless(seconds < 40, f"a new worker took {seconds:.0f} s"),
        ]
        return await _outcome(
            "worker killed", "kill -9 of one of two workers under load", "the other answers; a new worker comes by itself; nothing lost",
            customers, seconds, faults,
        )  # fmt: skip


async def server_killed(place: Place) -> Outcome:
    """Kills the whole server under load; a supervisor starts it again."""
    async with _serving(place) as (server, customers):
        await asyncio.sleep(2)
        killed = time.monotonic()
        server.kill()
        await asyncio.sleep(0.5)
        await server.wait_ready()
        seconds = time.monotonic() - killed
        await server.wait_workers(2)
        await asyncio.sleep(2)
        await customers.stop()
        faults = [
            *_unless(server.starts == 2, f"{server.starts} starts"),
            *_unless(customers.last_failure() < killed + seconds + 2, "failures went on"),
        ]
        return await _outcome(
            "server killed", "kill -9 of parent and workers under load", "back once the supervisor starts it; nothing lost", customers,
            seconds, faults,
        )  # fmt: skip


async def parent_killed(place: Place) -> Outcome:
    """Kills the parent alone: the workers must not keep the port from its successor."""
    async with _serving(place) as (server, customers):
        await asyncio.sleep(2)
        orphans, killed = server.workers(), time.monotonic()
        os.kill(server.pid, signal.SIGKILL)
        await asyncio.sleep(0.5)
        while server.starts < 20 and time.monotonic() < killed + 40 and len(server.workers()) < 2:
            await asyncio.sleep(0.2)
        await server.wait_ready()
        await server.wait_workers(2)
        seconds = time.monotonic() - killed
        await asyncio.sleep(2)
        await customers.stop()
        left = [pid for pid in orphans if _runs(pid)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        faults = [
            *_unless(not left, f"{len(left)} workers outlived their parent"),
        ]
        return await _outcome(
            "parent killed", "kill -9 of the parent alone, under load", "its workers end, the next server gets the port; nothing lost",
            customers, seconds, faults, starts=server.starts,
        )  # fmt: skip


async def disk_full(place: Place) -> Outcome:
    """Fills the disk that holds the state, and frees it."""
    with _small_disk(place.folder / "disk") as (disk, fill, free):
        if disk is None:
            raise SkipRunError("needs root, to mount a small disk")
        async with _serving(place, folder=disk) as (server, customers):
            await asyncio.sleep(1.5)
            before, filled = server.workers(), time.monotonic()
            fill()
            await asyncio.sleep(4)
            refused = [reply for reply in customers.replies if reply.kind == "503" and reply.at > filled]
            free()
            freed = time.monotonic()
            await asyncio.sleep(3)
            await customers.stop()
            faults = [
                *_unless(bool(refused), "nothing was refused: the disk was not full"),
                *_unless(customers.kinds().keys() <= _UNAVAILABLE, "failures other than 503"),
                *_unless(all("retry-after" in reply.headers for reply in refused), "a 503 without Retry-After"),
                *_unless(customers.last_failure() < freed + 2, "failures went on"),
                *_unless(server.workers() == before, "a worker died"),
            ]
            return await _outcome(
                "disk full", "the disk with conversations and feedback is full for 4 s", "503 meanwhile, then well without a restart; nothing lost",
                customers, max(0.0, customers.last_failure() - freed), faults,
            )  # fmt: skip


async def redis_gone(place: Place) -> Outcome:
    """Kills Redis and starts it again."""
    if shutil.which("redis-server") is None:
        raise SkipRunError("redis-server is not installed")
    redis = Redis(place.folder)
    try:
        async with _serving(place, KEFU_STATE_URL=redis.url) as (server, customers):
            await asyncio.sleep(2)
            before, gone = server.workers(), time.monotonic()
            redis.kill()
            await asyncio.sleep(4)
            away = [reply for reply in customers.replies if reply.at > gone + 0.5]
            redis.start()
            back = time.monotonic()
            await asyncio.sleep(4)
            await customers.stop()
            refused = [reply for reply in away if reply.kind == "503"]
            slowest = max(reply.seconds for reply in customers.replies)
            faults = [
                *_unless(bool(refused) and len(refused) == len(away), "not everything was refused while Redis was gone"),
                *_unless(customers.kinds().keys() <= _UNAVAILABLE, "failures other than 503"),
                *_unless(all("retry-after" in reply.headers for reply in refused), "a 503 without Retry-After"),
                *_unless(slowest < 3, f"a reply took {slowest:.1f} s"),
                *_unless(customers.last_failure() < back + 3, "failures went on"),
                *_unless(server.workers() == before, "a worker died"),
            ]
            return await _outcome(
                "Redis gone", "kill -9 of Redis, back after 4 s", "503 with Retry-After at once, well without a restart; nothing lost", customers,
                max(0.0, customers.last_failure() - back), faults, slowest_seconds=round(slowest, 2),
            )  # fmt: skip
    finally:
        redis.kill()


async def corrupt_bundle(place: Place) -> Outcome:
    """Offers damaged bundles, by the interface and by hand; then a good one."""
    pointer = place.bundles / "current"
    good = pointer.read_text(encoding="utf-8").strip()
    _damaged(place.bundles / good, place.bundles / "flipped", "model.onnx", flip=True)
    _damaged(place.bundles / good, place.bundles / "cut", "faq/index.faiss", flip=False)
    shutil.copytree(place.bundles / good, place.bundles / "copy")
    async with _serving(place) as (server, customers):
        await asyncio.sleep(1)
        faults: list[str] = []
        for name, file in (("flipped", "model.onnx"), ("cut", "index.faiss")):
            reply = await ask(server.port, "POST", "/admin/bundles/current", {"bundle": name}, key=KEY)
            message = str(reply.json().get("error", {}).get("message", ""))
            faults += _unless(
                reply.kind in {"409", "422"} and file in message, f"{name} by the interface: {reply.kind} {message[:90]}"
            )
            faults += _unless(pointer.read_text(encoding="utf-8").strip() == good, f"{name} became current")
            refused = await server.series('kefu_bundle_reloads_total{result="failed"}')
            pointer.write_text(f"{name}\n", encoding="utf-8")
            await asyncio.sleep(4)
            faults += _unless(
                await server.series('kefu_bundle_reloads_total{result="failed"}') > refused, f"{name} by hand was not refused"
            )
            faults += _unless(file in server.log.read_text(encoding="utf-8"), f"{name} by hand: the log does not name the file")
            pointer.write_text(f"{good}\n", encoding="utf-8")
        changed = await server.series('kefu_bundle_reloads_total{result="ok"}')
        started = time.monotonic()
        pointer.write_text("copy\n", encoding="utf-8")
        while await server.series('kefu_bundle_reloads_total{result="ok"}') < changed + 2 and time.monotonic() < started + 30:
            await asyncio.sleep(0.2)
        seconds = time.monotonic() - started
        await asyncio.sleep(1)
        await customers.stop()
        faults += _unless(seconds < 30, "a good bundle was not taken")
        faults += _unless(customers.kinds().keys() == {"200"}, "answers failed")
        return await _outcome(
            "corrupt bundle", "a flipped byte in model.onnx, a cut index.faiss: by POST /admin/bundles/current and by `current`; then a good one",
            "refused, the file named; the old bundle answers; the good one is taken", customers, seconds, faults,
        )  # fmt: skip


async def load_burst(place: Place) -> Outcome:
    """Sends ten times what the server can do, for ten seconds."""
    server = Server(place.bundles, place.folder)
    try:
        await server.start()
        await burst(server.port, rate=50, seconds=1, key=KEY)
        rate = await _sustainable(server.port)
        replies = await burst(server.port, rate=10 * rate, seconds=10, key=KEY)
        ended = time.monotonic()
        sent = [reply for reply in replies if reply.kind != "unsent"]
        served = sorted(reply.seconds for reply in sent if reply.kind == "200")
        shed = sorted(reply.seconds for reply in sent if reply.kind in {"429", "503"})
        kinds = dict(sorted(Counter(reply.kind for reply in replies).items()))
        calm = await burst(server.port, rate=rate / 2, seconds=5, key=KEY)
        failed = [reply.at for reply in calm if reply.kind != "200"]
        faults = [
            *_unless(kinds.keys() <= {"200", "429", "503", "unsent"}, "failures other than 429 and 503"),
            *_unless(bool(served) and _at(served, 0.95) < 1, f"p95 of the served is {_at(served, 0.95):.2f} s"),
            *_unless(
                not shed or statistics.median(shed) < 0.5, f"half of the refusals took over {statistics.median(shed or [0]):.2f} s"
            ),
            *_unless(max(failed, default=0.0) < ended + 1, "failures went on"),
            *_unless(len(server.workers()) == 2, "a worker died"),
        ]
        return Outcome(
            "burst", f"{10 * rate:.0f} messages a second for 10 s, ten times what it can do",
            "429 or 503 at once; 95 of 100 served answers within a second; then well", len(replies), kinds,
            max(0.0, max(failed, default=ended) - ended), 0, tuple(faults),
            {
                "sustainable_per_second": round(rate), "served_per_second": round(len(served) / 10), "served_p50_seconds": round(_at(served, 0.5), 3),
                "served_p95_seconds": round(_at(served, 0.95), 3),
                "served_p99_seconds": round(_at(served, 0.99), 3), "shed_p50_seconds": round(_at(shed, 0.5), 3),
                "p99_afterwards_seconds": round(_at(sorted(reply.seconds for reply in calm), 0.99), 3),
            },
        )  # fmt: skip
    finally:
        await server.stop()


RUNS: dict[str, Run] = {
    "worker": worker_killed, "server": server_killed, "parent": parent_killed, "disk": disk_full, "redis": redis_gone,
    "bundle": corrupt_bundle, "burst": load_burst,
}  # fmt: skip


class SkipRunError(Exception):
    """This machine lacks what the run needs."""


@asynccontextmanager
async def _serving(place: Place, *, folder: Path | None = None, **environment: str) -> AsyncIterator[tuple[Server, Customers]]:
    """A supervised server, and customers who write to it."""
    server = Server(place.bundles, folder or place.folder, **environment)
    customers = Customers(server.port, key=KEY)
    try:
        await server.supervise()
        customers.start()
        yield server, customers
    finally:
        await customers.stop()
        await server.stop()


async def _outcome(
    name: str, did: str, expected: str, customers: Customers, seconds: float | None, faults: list[str], **notes: object
) -> Outcome:
    lost = await customers.lost()
    faults = [*faults, *_unless(lost == 0, f"{lost} acknowledged items are gone")]
    acknowledged = {"acknowledged_turns": len(customers.turns), "acknowledged_feedback": len(customers.praised)}
    faults += _unless(bool(customers.turns) and bool(customers.praised), f"too little was acknowledged: {acknowledged}")
    kinds = customers.kinds()
    return Outcome(name, did, expected, len(customers.replies), kinds, seconds, lost, tuple(faults), {**acknowledged, **notes})


async def _sustainable(port: int) -> float:
    """Returns how many messages a second eight customers without pauses get answered."""
    customers = Customers(port, key=KEY, count=8, pause=0.0, feedback=False)
    customers.start()
    await asyncio.sleep(4)
    await customers.stop()
    return len(customers.turns) / 4


def _unless(fine: bool, fault: str) -> list[str]:
    return [] if fine else [fault]


def _at(values: list[float], part: float) -> float:
    return values[min(len(values) - 1, int(len(values) * part))] if values else 0.0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _damaged(source: Path, target: Path, file: str, *, flip: bool) -> None:
    """Copies a bundle, with one byte of a file changed, or with half of it."""
    shutil.copytree(source, target)
    content = bytearray((target / file).read_bytes())
    middle = len(content) // 2
    content[middle] ^= 0xFF
    (target / file).chmod(0o644)
    (target / file).write_bytes(content if flip else content[:middle])


@contextmanager
def _small_disk(folder: Path) -> Iterator[tuple[Path | None, Callable[[], None], Callable[[], None]]]:
    """A disk of 32 MB in memory, with what fills it and what frees it; None without the right to mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=32m", "kefu-faults", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:  # noqa: S603
        yield None, lambda: None, lambda: None
        return
    filler = folder / "filler"

    def fill() -> None:
        with suppress(OSError), filler.open("wb", buffering=0) as out:
            while out.write(bytes(4096)):
                pass

    try:
        yield folder, fill, filler.unlink
    finally:
        subprocess.run([shutil.which("umount") or "umount", "--lazy", str(folder)], check=False)  # noqa: S603
