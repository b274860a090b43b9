"""Which rows are measured, and which files make a step stale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from data.types import LabelSet
from models.domain import load_domain
from pipelines.calibrate import rejection_signs
from pipelines.config import BundleConfig, PrepareConfig, PromoteConfig
from pipelines.evaluate import Case, _with_emotion
from pipelines.jobs import _inputs, _labels
from pipelines.prepared import Message, Prepared
from pipelines.promote import _regressions


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
    assert {path.name for path in _inputs("prepare", config)} == {"d", "f"}
    labels = load_domain(Path("configs/domain")).labels
    assert _labels(config) == [*labels.intents, *labels.emotions]
    assert _labels(BundleConfig()) == []
    assert _inputs("bundle", BundleConfig()) == [Path("configs/domain")]


def _measured(intent: float, topic: float, n: int = 20) -> dict[str, Any]:
    intents = [{"label": "a.b", "n": n, "recall": intent}]
    return {"intent": {"per_class": intents}, "faq": {"per_topic": [{"label": "c.d", "n": n, "recall": topic}]}}


def test_a_fall_on_an_intent_or_on_a_faq_topic_stops_the_promotion_by_name() -> None:
    config = PromoteConfig(max_recall_drop=0.2, min_support=15)
    before = _measured(0.9, 0.8)
    assert _regressions(_measured(0.75, 0.65), before, config) == []
    assert _regressions(_measured(0.6, 0.8), before, config) == ["recall on intent a.b fell from 0.9 to 0.6 (n=20)"]
    assert _regressions(_measured(0.9, 0.5), before, config) == ["FAQ Hit@1 on topic c.d fell from 0.8 to 0.5 (n=20)"]
    assert _regressions(_measured(0.1, 0.1, n=10), before, config) == []
    assert _regressions(_measured(0.1, 0.1), None, config) == []
    assert _regressions(_measured(0.9, 0.1), before | {"faq": {"n": 0}}, config) == []


def test_signs_of_rejection_are_higher_where_a_message_looks_more_out_of_scope() -> None:
    sure, strange = np.array([[3.0, 9.0, -1.0, -2.0]]), np.array([[-2.0, 4.0, 1.0, 2.0]])
    inside = rejection_signs(sure, np.array([[0.9, 0.1]], np.float32))
    outside = rejection_signs(strange, np.array([[0.5, 0.5]], np.float32))
    assert len(inside) >= 3
    assert all(inside[name][0] < outside[name][0] for name in inside)
