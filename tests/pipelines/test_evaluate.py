"""Which rows are measured, and which files make a step stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from data.types import LabelSet
from pipelines.config import BundleConfig, PrepareConfig
from pipelines.evaluate import Case, _with_emotion
from pipelines.jobs import _inputs
from pipelines.prepared import Message, Prepared


def _case(*rows: tuple[str, str, tuple[str, ...]]) -> Case:
    messages = [Message(name, name, (), ("a.b",), emotion, tags, "") for name, emotion, tags in rows]
    prepared = Prepared(LabelSet(("a.b",), ("neutral",)), {"train": [], "dev": [], "test": messages}, [], {}, {})
    nothing: Any = None
    return Case(nothing, nothing, nothing, prepared, Path())


def test_the_challenge_is_measured_apart() -> None:
    case = _case(("plain", "neutral", ()), ("hard", "neutral", ("sarcasm", "challenge")))
    assert [row.row_id for row in case.messages] == ["plain"]
    assert [row.row_id for row in case.challenge] == ["hard"]


def test_rows_without_an_emotion_are_left_out_of_its_measures() -> None:
    analyses: list[Any] = ["first", "second"]
    case, kept = _with_emotion(_case(("one", "", ()), ("two", "neutral", ())), analyses)
    assert [row.row_id for row in case.messages] == ["two"]
    assert kept == ["second"]


def test_of_the_domain_pack_prepare_depends_on_the_labels_alone() -> None:
    config = PrepareConfig(dialogues=Path("d"), faq=Path("f"))
    assert {path.name for path in _inputs("prepare", config)} == {"d", "f", "intents.yaml", "emotions.yaml"}
    assert _inputs("bundle", BundleConfig()) == [Path("configs/domain")]
