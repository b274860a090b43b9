"""Workers that look at one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.balance import Balance


@pytest.mark.parametrize(
    ("own", "other", "moves"),
    [(7, 0, True), (6, 1, True), (4, 2, True), (3, 2, False), (3, 3, False), (1, 0, False), (300, 255, False)],
)
def test_only_who_has_far_more_to_do_sends_clients_away(tmp_path: Path, own: int, other: int, moves: bool) -> None:
    busy, idle = (Balance(tmp_path, worker=number, workers=2) for number in (1, 2))
    for _ in range(own + 1):
        busy.begin()
    for _ in range(other):
        idle.begin()
    assert busy.end() is moves


def test_a_worker_that_starts_again_begins_with_nothing(tmp_path: Path) -> None:
    busy, gone = (Balance(tmp_path, worker=number, workers=2) for number in (1, 2))
    for _ in range(8):
        busy.begin()
        gone.begin()
    assert not busy.end()
    Balance(tmp_path, worker=2, workers=2)
    assert busy.end()
    assert not busy.end()  # the one sent away has not come back yet


def test_alone_nobody_is_sent_away(tmp_path: Path) -> None:
    for balance in (Balance(None, worker=1, workers=4), Balance(tmp_path, worker=1, workers=1)):
        for _ in range(20):
            balance.begin()
        assert not balance.end()
