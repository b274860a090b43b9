"""The fault runs themselves: that they see what is lost, and one of them against the tiny bundle."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from serving.faults.client import Customers
from serving.faults.runs import Place, parent_killed
from tests.serving.conftest import Server


def test_what_was_acknowledged_and_is_gone_is_counted(server: Server) -> None:
    async def play() -> tuple[int, int, int]:
        customers = Customers(int(server.url.rpartition(":")[2]), count=2)
        customers.start()
        while len(customers.praised) < 3:
            await asyncio.sleep(0.05)
        await customers.stop()
        kept = await customers.lost()
        customers.turns["nobody", "m1"] = b"{}"
        customers.praised.append("0" * 32)
        return kept, await customers.lost(), len(customers.replies)

    kept, lost, replies = asyncio.run(asyncio.wait_for(play(), 30))
    assert (kept, lost) == (0, 2) and replies >= 6


def test_a_killed_parent_takes_its_workers_along(bundles: Path, tmp_path: Path) -> None:
    place = Place(Path(shutil.copytree(bundles, tmp_path / "bundles")), tmp_path / "run")
    place.folder.mkdir()
    outcome = asyncio.run(parent_killed(place))
    assert not outcome.faults, outcome
    assert outcome.lost == 0 and outcome.seconds
