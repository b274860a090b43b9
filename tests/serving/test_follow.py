"""A worker follows the current bundle, and does not stop doing so."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.errors import BundleError
from serving import process
from serving.settings import Settings


@pytest.mark.parametrize("error", [BundleError("the disk did not answer"), MemoryError()])
def test_a_bundle_that_could_not_be_loaded_is_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []
    reloads: list[str] = []

    def follow(*_: Any) -> bool:
        tried.append("again")
        if len(tried) == 1:
            raise error
        return True

    monkeypatch.setattr(process, "_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(process, "current_stamp", lambda _: (Path("b1"), 1, 1))
    monkeypatch.setattr(process, "follow", follow)
    manifest = SimpleNamespace(bundle_version="b1")
    engine = SimpleNamespace(brain=SimpleNamespace(bundle=SimpleNamespace(manifest=manifest)))
    worker: Any = SimpleNamespace(
        _settings=Settings(reload_seconds=0.01), _engine=engine, _metrics=SimpleNamespace(reload=reloads.append)
    )
    with caplog.at_level(logging.ERROR), pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(process.Process._follow(worker), 1.0))
    assert reloads == ["failed", "ok"] and len(tried) == 2, "what failed is tried again, what is loaded is not"
