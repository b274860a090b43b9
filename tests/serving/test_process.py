"""A worker and its core."""

from __future__ import annotations

import os

import pytest

from serving.process import keep_to_core


@pytest.mark.parametrize(("cores", "worker", "kept"), [({4, 7}, 1, {4}), ({4, 7}, 2, {7}), ({4, 7}, 3, {4}), ({1, 2, 3}, 1, None)])
def test_each_worker_keeps_to_its_core_where_there_is_one_for_each(
    cores: set[int], worker: int, kept: set[int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound: list[set[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: cores, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda _, mine: bound.append(mine), raising=False)
    keep_to_core(worker, 2)
    assert bound == ([] if kept is None else [kept])
