"""Which rows are measured, and which files make a step stale."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.types import FaqEntry, LabelSet
from models.calibration import Calibration, Thresholds
from models.domain import load_domain
from models.encoder import Encoded
from models.rejection import FEATURES as SIGNS
from pipelines.calibrate import is_right, rejection_signs
from pipelines.config import BundleConfig, PrepareConfig, PromoteConfig
from pipelines.evaluate import (
    Asked,
    Case,
    Outside,
    _ask_all,
    _covered_answerable,
    _loudest,
    _mrr,
    _per_origin,
    _query_origins,
    _slice_rows,
    _with_emotion,
    measure_calibration,
    measure_out_of_scope,
    measure_single_moods,
)
from pipelines.jobs import _inputs, _labels
from pipelines.prepared import FaqQuery, Message, OutOfScopeText, Prepared
from pipelines.promote import _regressions
from tests.models.helpers import index_of, light


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


def test_dialogues_of_several_origins_are_slices_of_their_own() -> None:
    def rows(origin: str, count: int, tags: tuple[str, ...] = ()) -> list[tuple[str, str, tuple[str, ...]]]:
        return [(f"{origin}-{number:03d}/0", "neutral", tags) for number in range(count)]

    nameless = [(f"d{number}/0", "neutral", ()) for number in range(45)]
    slices = _slice_rows(
        _case(*rows("logs-march", 40), *rows("logs-april", 41), *rows("few", 39), *rows("hard", 50, ("challenge",)), *nameless)
    )
    assert {name: len(found) for name, found in slices.items() if name.startswith("origin")} == {
        "origin logs-march": 40, "origin logs-april": 41,
    }  # fmt: skip
    assert slices["origin logs-april"] == list(range(40, 81))
    assert "origin logs-march" not in _slice_rows(_case(*rows("logs-march", 60), *rows("few", 39))), "one origin is no slice"


def test_queries_of_several_origins_are_measured_apart_as_well(tmp_path: Path) -> None:
    queries = [
        FaqQuery(str(number), "a", origin=name)
        for name, count in (("june", 60), ("july", 40), ("few", 39), ("", 50))
        for number in range(count)
    ]
    slices = _query_origins(queries)
    assert slices == {"origin july": list(range(60, 100)), "origin june": list(range(60))}
    assert _query_origins(queries[:60] + queries[100:]) == {}, "one origin is no slice"
    # Those of June are answered as rightly as is promised, those of July never.
    confidence, right = np.full(189, 0.5), np.arange(189) % 2 == 0
    right[60:100] = False
    case = _case(("one", "neutral", ()))
    case = replace(case, prepared=replace(case.prepared, queries={"test": queries}), folder=tmp_path)
    said: Any = SimpleNamespace(
        intent=SimpleNamespace(name="a.b", confidence=0.9), emotion=SimpleNamespace(label="neutral", confidence=0.9), out_of_scope=0.0,
    )  # fmt: skip
    found = measure_calibration(case, [said], Asked(None, [], confidence, right, right, confidence), [])
    assert {name: (own["n"], round(own["ece"], 3)) for name, own in found["faq"]["slices"].items()} == {
        "origin july": (40, 0.5), "origin june": (60, 0.0),
    }  # fmt: skip
    assert found["out_of_scope"]["slices"] == {}


def test_coverage_of_an_origin_needs_queries_with_and_without_an_answer() -> None:
    queries = [FaqQuery(str(number), "a" if number % 2 else None, origin="june") for number in range(40)]
    queries += [FaqQuery(str(number), "a", origin="july") for number in range(40)]
    right = np.array([query.faq_id is not None for query in queries])
    right[1] = False
    july, june = _per_origin(queries, np.where(right, 0.9, 0.1), right)
    assert (june["origin"], june["n"], june["n_answerable"], june["hit_at_1"]) == ("origin june", 40, 20, 0.95)
    assert june["coverage_at_95_with_fewer"] == 0.95
    assert july["hit_at_1"] == 1.0 and np.isnan(july["coverage_at_95_with_fewer"])


def test_the_point_of_few_alarms_lets_just_that_share_of_the_calm_through() -> None:
    scores = np.array([*np.arange(100) / 100, 0.94, 0.97, 0.5])
    is_angry = np.arange(103) >= 100
    alarmed = _loudest(scores, is_angry, 0.05)
    assert alarmed[~is_angry].sum() == 5
    assert alarmed[is_angry].tolist() == [False, True, False]


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


def test_another_right_entry_counts_as_right() -> None:
    queries = [FaqQuery("一", "a", ("b", "c")), FaqQuery("二", "a"), FaqQuery("三", "a", ("c",)), FaqQuery("四", None)]
    ranked = [["x", "c", "a"], ["b", "x", "a"], ["x"], ["a"]]
    assert _mrr(ranked, queries) == pytest.approx((1 / 2 + 1 / 3 + 0) / 3)
    assert [query.is_answered_by("c") for query in queries] == [True, False, True, False]
    index = index_of([FaqEntry(name, name, (), ".", "a.b") for name in "abc"], ["a.b"])
    assert [is_right(index, query, np.array([2, 0, 1])).tolist() for query in queries] == [
        [True, True, True], [False, True, False], [True, True, False], [False, False, False],
    ]  # fmt: skip


def _analysed(out_of_scope: float, sure: float, *, angry: float = 0.0) -> Any:
    """A message whose best entry is b."""
    best, mood = SimpleNamespace(faq_id="b", confidence=0.9), SimpleNamespace(scores={"angry": angry})
    return SimpleNamespace(hits=[best], out_of_scope=out_of_scope, intent=SimpleNamespace(confidence=sure), emotion=mood)


def test_hit_at_1_counts_another_right_entry() -> None:
    queries = [FaqQuery("一", "a", ("b",)), FaqQuery("二", "a"), FaqQuery("三", None)]
    encoded: Any = type("Encoder", (), {"encode": lambda *_: None})()
    found = [_analysed(0.0, 1.0) for _ in queries]
    analyzer: Any = SimpleNamespace(from_encoded=lambda *_, **__: found)
    bundle: Any = SimpleNamespace(encoder=encoded, calibration=Calibration())
    case = replace(_case(), bundle=bundle, analyzer=analyzer, prepared=replace(_case().prepared, queries={"test": queries}))
    assert _ask_all(case).right.tolist() == [True, False, False]


def test_of_queries_it_is_told_how_many_are_taken_for_the_business_of_a_shop() -> None:
    thresholds = Thresholds(out_of_scope=0.5, certain_intent=0.9)
    scores = [(0.4, 0.2), (0.5, 0.95), (0.5, 0.2), (0.9, 0.8)]  # kept: under the threshold, or sure of an intent
    queries = [FaqQuery(str(number), None if number % 2 else "b") for number in range(len(scores))]
    analyzer: Any = SimpleNamespace(from_encoded=lambda *_, **__: [_analysed(*pair) for pair in scores])
    encoded = Encoded(np.ones((4, 1)), np.ones((4, 2)), np.ones((4, 2)), np.ones((4, 1)), np.ones(4), ())
    encoder: Any = SimpleNamespace(encode=lambda *_: encoded)
    bundle: Any = SimpleNamespace(encoder=encoder, calibration=Calibration(thresholds=thresholds))
    case = replace(_case(), bundle=bundle, analyzer=analyzer, prepared=replace(_case().prepared, queries={"test": queries}))
    asked = _ask_all(case)
    assert asked.kept.tolist() == [True, True, False, False]
    rows = [OutOfScopeText("天气", "far"), OutOfScopeText("股票", "near")]
    outside = Outside(rows, encoded, [_analysed(0.9, 0.1), _analysed(0.1, 0.1)])
    found = measure_out_of_scope(case, encoded, [_analysed(0.2, 0.1)], outside, asked)
    assert (found["queries_kept"], found["n_queries"], found["in_scope_kept"]) == (0.5, 4, 1.0)
    assert found["at_95"]["kinds"] == found["kinds"], "nothing else was fitted"
    facts = {"out_of_scope": {"threshold_for_95_percent": 0.15}}
    bundle.calibration = Calibration(thresholds=thresholds, provenance=facts)
    both = measure_out_of_scope(
        case, encoded, [_analysed(0.2, 0.1)], Outside(rows, encoded, [_analysed(0.9, 0.1), _analysed(0.2, 0.1)]), asked
    )
    assert [(part["in_scope_kept"], part["kinds"]["near"]["recall"]) for part in (both, both["at_95"])] == [(1, 0), (0, 1)]
    none = measure_out_of_scope(case, encoded, [_analysed(0.2, 0.1)], outside, replace(asked, kept=np.zeros(0, np.bool_)))
    assert np.isnan(none["queries_kept"]) and none["n_queries"] == 0


def test_anger_among_single_messages_counts_those_whose_mood_is_known() -> None:
    moods = ["angry", "angry", "neutral", "anxious", ""]
    queries = [FaqQuery(str(number), "a", emotion=mood) for number, mood in enumerate(moods)]
    asked = Asked(None, [], np.zeros(5), np.zeros(5, np.bool_), np.zeros(5, np.bool_), np.array([0.3, 0.1, 0.2, 0.1, 0.9]))
    bundle: Any = SimpleNamespace(calibration=Calibration(thresholds=Thresholds(anger_alert=0.2)))
    case = replace(_case(), bundle=bundle, prepared=replace(_case().prepared, queries={"test": queries}))
    unknown = Outside([OutOfScopeText("天气", "far")], None, [_analysed(0.9, 0.1, angry=0.9)])
    found = measure_single_moods(case, asked, unknown)
    assert list(found) == ["faq_queries"], "of the other texts no mood is known"
    assert [found["faq_queries"][name] for name in ("n_all", "n", "recall", "false_alarms")] == [4, 2, 0.5, 0.5]
    calm = replace(unknown, rows=[OutOfScopeText("天气", "far", "neutral")])
    assert measure_single_moods(case, asked, calm)["out_of_scope"]["false_alarms"] == 1.0


def test_coverage_of_the_answerable_reckoned_by_hand() -> None:
    # 20 answerable ones, of which the last is wrong, and two that nobody can answer in between.
    confidence = np.arange(22, 0, -1) / 22
    answerable = np.ones(22, np.bool_)
    answerable[[9, 21]] = False
    right = answerable.copy()
    right[20] = False
    assert _covered_answerable(confidence, right, answerable) == pytest.approx(19 / 20)  # 19 of 20 right, one of them unanswerable
    assert _covered_answerable(confidence, right, answerable, others=1.0) == pytest.approx(9 / 20)  # it now weighs ten: 9 of 9
    assert _covered_answerable(confidence, right, ~np.ones(22, np.bool_)) == 0
    assert _covered_answerable(confidence, ~right, answerable) == 0


def test_of_equal_confidence_all_are_answered_or_none() -> None:
    confidence = np.array([0.9, 0.9, 0.8, 0.7, 0.7])
    answerable = np.ones(5, np.bool_)
    for right in ([1, 1, 1, 1, 0], [1, 1, 1, 0, 1]):
        assert _covered_answerable(confidence, np.array(right, np.bool_), answerable) == pytest.approx(3 / 5)
    for right in ([1, 0, 1, 1, 1], [0, 1, 1, 1, 1]):
        assert _covered_answerable(confidence, np.array(right, np.bool_), answerable) == 0


ASKED = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["right", "wrong", "unanswerable"])), min_size=1, max_size=40)


@light
@given(ASKED, st.sampled_from([None, 0.4, 1.0, 3.0]))
def test_coverage_of_the_answerable_is_that_of_the_best_threshold(rows: list[tuple[int, str]], others: float | None) -> None:
    confidence = np.array([own for own, _ in rows], np.float64)
    right, answerable = (
        np.array([test(kind) for _, kind in rows]) for test in (lambda k: k == "right", lambda k: k != "unanswerable")
    )
    weight = 1.0 if others is None else others * answerable.sum() / max(1, (~answerable).sum())
    best = 0.0
    for threshold in range(5):
        taken = confidence >= threshold
        whole = (taken & answerable).sum() + weight * (taken & ~answerable).sum()
        if whole and (taken & right).sum() / whole >= 0.95 and answerable.any():
            best = max(best, (taken & answerable).sum() / answerable.sum())
    assert _covered_answerable(confidence, right, answerable, others=others) == pytest.approx(best)


def test_signs_of_rejection_are_higher_where_a_message_looks_more_out_of_scope() -> None:
    sure, strange = np.array([[3.0, 9.0, -2.0, -4.0]]), np.array([[-2.0, 4.0, 2.0, 3.0]])
    inside = rejection_signs(sure, np.array([[0.9, 0.1]], np.float32))
    outside = rejection_signs(strange, np.array([[0.5, 0.5]], np.float32))
    assert len(inside) == len(SIGNS) + 1, "each sign, and the highest probability"
    assert all(inside[name][0] < outside[name][0] for name in inside)
