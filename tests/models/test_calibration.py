"""Probabilities that mean what they say, and thresholds that never promise more than they hold."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from data.errors import BundleError
from models.calibration import (
    Calibration,
    Thresholds,
    alarm_curve,
    calibrate_first,
    ece_band,
    expected_calibration_error,
    fit_temperature,
    precision_curve,
    sigmoid,
    softmax,
    threshold_for_precision,
    threshold_for_recall,
    wilson_interval,
    wilson_lower,
)  # fmt: skip
from models.matching import FEATURES, Fusion
from models.rejection import BUCKETS, Rejector, pack_words
from tests.models.helpers import light

logits = st.lists(st.floats(-50, 50), min_size=2, max_size=6)
confidences = st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 0.9999, 1.0])  # so that ties are common
rows = st.lists(st.tuples(confidences | st.floats(0, 1), st.booleans()), max_size=30)


def columns(pairs: list[tuple[float, bool]]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.array([value for value, _ in pairs], np.float64), np.array([right for _, right in pairs], np.bool_)


@light
@given(logits, st.floats(0.2, 5))
def test_probabilities_sum_to_one_and_keep_the_order(values: list[float], temperature: float) -> None:
    probability = softmax(np.array(values), temperature)
    assert probability.sum() == pytest.approx(1, abs=1e-6)
    assert probability.dtype == np.float32
    assert probability[int(np.argmax(values))] == probability.max()


def test_softmax_of_a_known_row_and_of_huge_logits() -> None:
    assert softmax(np.array([0.0, math.log(3)])) == pytest.approx([0.25, 0.75])
    assert softmax(np.array([0.0, 2 * math.log(3)]), 2.0) == pytest.approx([0.25, 0.75])
    assert softmax(np.array([[1e4, 0.0], [0.0, -1e4]])).tolist() == [[1, 0], [1, 0]]


def test_sigmoid_of_known_values_and_without_overflow() -> None:
    assert sigmoid(np.array([0.0, math.log(3), -math.log(3)])) == pytest.approx([0.5, 0.75, 0.25])
    with np.errstate(all="raise"):
        assert sigmoid(np.array([-1e6, 1e6])) == pytest.approx([0, 1], abs=1e-9)


@pytest.mark.parametrize("truth", [0.5, 1.0, 2.0, 3.5])
def test_the_temperature_that_made_the_labels_is_found(truth: float) -> None:
    draw = np.random.default_rng(5)
    raw = draw.normal(size=(6000, 5)) * 3
    probability = softmax(raw, truth)
    labels = (probability.cumsum(1) < draw.random((6000, 1))).sum(1).clip(max=4)
    assert fit_temperature(raw, labels) == pytest.approx(truth, rel=0.07)


def test_the_temperature_stays_in_its_range() -> None:
    raw = np.eye(3)[np.arange(30) % 3] * 4
    assert 0.2 <= fit_temperature(raw, np.arange(30) % 3) < 0.25  # always right: as sharp as it may be
    assert fit_temperature(raw, (np.arange(30) + 1) % 3) == pytest.approx(5, rel=1e-3)  # always wrong: as flat


def test_ece_of_perfect_predictions_is_near_zero_and_inside_its_band() -> None:
    confidence = np.random.default_rng(1).random(5000)
    correct = np.random.default_rng(2).random(5000) < confidence
    low, high = ece_band(confidence, draws=200)
    error = expected_calibration_error(confidence, correct)
    assert error < 0.03
    assert 0 < low < error < high < 0.04


def test_ece_of_an_overconfident_model_is_its_excess_and_outside_the_band() -> None:
    confidence = np.full(4000, 0.9)
    correct = np.arange(4000) % 10 < 6
    np.random.default_rng(0).shuffle(correct)
    error = expected_calibration_error(confidence, correct)
    assert error == pytest.approx(0.3, abs=0.01)
    assert error > ece_band(confidence, draws=200)[1]


def test_ece_reckoned_by_hand() -> None:
    # Two bins of two: |0.15 - 0.5| and |0.85 - 1|, each half of the mass.
    confidence, correct = np.array([0.9, 0.1, 0.8, 0.2]), np.array([True, False, True, True])
    assert expected_calibration_error(confidence, correct, bins=2) == pytest.approx((0.35 + 0.15) / 2)
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True])) == 0
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([False, False])) == 1


def test_the_band_narrows_with_more_rows_and_is_the_same_each_time() -> None:
    few, many = np.full(50, 0.7), np.full(5000, 0.7)
    assert ece_band(few, draws=100)[1] > 3 * ece_band(many, draws=100)[1]
    assert ece_band(few, draws=100) == ece_band(few, draws=100)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    # Source: Newcombe 1998, Two-sided confidence intervals for the single proportion, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_values_of_the_literature(successes: int, total: int, low: float, high: float) -> None:
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=6e-5)
    assert wilson_lower(successes, total) == wilson_interval(successes, total)[0]


@light
@given(st.integers(1, 400).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_wilson_holds_the_share_and_mirrors(counts: tuple[int, int]) -> None:
    successes, total = counts
    low, high = wilson_interval(successes, total)
    assert 0 <= low <= successes / total + 1e-12
    assert successes / total - 1e-12 <= high <= 1
    mirrored = wilson_interval(total - successes, total)
    assert (1 - high, 1 - low) == pytest.approx(mirrored, abs=1e-9)


def test_nothing_counted_says_nothing() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)


@light
@given(rows, st.sampled_from([0.0, 0.5, 0.8, 0.95, 1.0]), st.sampled_from([0.0, 1.96]))
def test_accepted_rows_never_fall_below_the_target(pairs: list[tuple[float, bool]], target: float, z: float) -> None:
    confidence, correct = columns(pairs)
    threshold, facts = threshold_for_precision(confidence, correct, target, z=z)
    accepted = confidence >= threshold
    assert facts["coverage"] == pytest.approx(accepted.mean() if len(pairs) else 0)
    assert facts["n"] == len(pairs)
    if accepted.any():
        reached = wilson_lower(int(correct[accepted].sum()), int(accepted.sum()), z=z) if z else correct[accepted].mean()
        assert reached >= target
        assert facts["precision"] == pytest.approx(correct[accepted].mean())
    else:
        assert math.isnan(facts["precision"])


@light
@given(rows, st.sampled_from([0.5, 0.8, 1.0]))
def test_no_lower_cut_would_do(pairs: list[tuple[float, bool]], target: float) -> None:
    confidence, correct = columns(pairs)
    threshold, _ = threshold_for_precision(confidence, correct, target)
    for lower in set(confidence[confidence < threshold].tolist()):
        assert correct[confidence >= lower].mean() < target


def test_the_threshold_sits_between_two_rows() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.6, 0.2]), np.array([True, True, False, False])
    threshold, facts = threshold_for_precision(confidence, correct, 0.95)
    assert threshold == pytest.approx(0.7)
    assert facts == {"target": 0.95, "precision": 1.0, "coverage": 0.5, "n": 4.0}


def test_two_rows_without_room_between_them_are_parted() -> None:
    close = np.array([math.nextafter(0.5, 1), 0.5])
    threshold, facts = threshold_for_precision(close, np.array([True, False]), 0.95)
    assert (close >= threshold).tolist() == [True, False]
    assert facts["coverage"] == 0.5


def test_below_the_last_row_all_are_accepted() -> None:
    threshold, facts = threshold_for_precision(np.array([0.9, 0.4]), np.array([True, True]), 0.95)
    assert 0.39 < threshold < 0.4
    assert facts["coverage"] == 1


def test_ties_are_accepted_together_or_not_at_all() -> None:
    # The first of the ties is right, and alone it would do; but no threshold can part it from the second.
    confidence, correct = np.array([0.9, 0.7, 0.7, 0.1]), np.array([True, True, False, False])
    assert threshold_for_precision(confidence, correct, 0.95)[0] == pytest.approx(0.8)
    assert threshold_for_precision(confidence[1:], correct[1:], 0.95)[1]["coverage"] == 0


def test_a_certain_row_is_refused_when_no_threshold_will_do() -> None:
    threshold, facts = threshold_for_precision(np.array([1.0, 1.0, 0.2]), np.array([False, True, True]), 0.95)
    assert facts["coverage"] == 0
    assert not (np.array([1.0]) >= threshold).any(), "confidences are rounded to four digits, so that 1.0 does occur"
    assert threshold == pytest.approx(1)


def test_the_wilson_bound_asks_for_more_rows() -> None:
    confidence, correct = np.linspace(0.9, 0.5, 20), np.ones(20, np.bool_)
    assert threshold_for_precision(confidence, correct, 0.95)[1]["coverage"] == 1
    assert threshold_for_precision(confidence, correct, 0.95, z=1.96)[1]["coverage"] == 0
    assert threshold_for_precision(confidence, correct, 0.8, z=1.96)[1]["coverage"] == 1


@light
@given(rows, st.sampled_from([0.5, 0.8, 0.9, 1.0]))
def test_the_target_share_of_the_positives_is_found(pairs: list[tuple[float, bool]], target: float) -> None:
    confidence, positive = columns(pairs)
    threshold, facts = threshold_for_recall(confidence, positive, target)
    if not positive.any():
        assert (threshold, math.isnan(facts["recall"]), facts["n"]) == (0.5, True, 0)
        return
    assert (confidence[positive] >= threshold).mean() == pytest.approx(facts["recall"])
    assert facts["recall"] >= target - 1e-9
    assert facts["n"] == positive.sum()
    # And no higher threshold would find as many as asked.
    higher = confidence[positive] >= np.min(confidence[positive][confidence[positive] >= threshold]) + 1e-5
    assert higher.mean() < target


@light
@given(st.lists(st.floats(-8, 8), min_size=2, max_size=6), st.floats(0.05, 3), st.floats(-3, 3))
def test_calibrating_the_first_place_keeps_order_and_sum(values: list[float], slope: float, intercept: float) -> None:
    (before,) = softmax(np.array([values]))
    (after,) = calibrate_first(before[None, :], slope, intercept)
    assert after.sum() == pytest.approx(1, abs=1e-5)
    lower = before[:, None] < before[None, :]
    assert (after[:, None] <= after[None, :] + 1e-6)[lower].all()


def test_the_first_place_reckoned_by_hand() -> None:
    before = np.array([[0.8, 0.15, 0.05]], np.float32)
    first = 1 / (1 + math.exp(-(0.5 * math.log(0.8 / 0.2) + 0.1)))
    wanted = [first, 0.15 * (1 - first) / 0.2, 0.05 * (1 - first) / 0.2]
    assert calibrate_first(before, 0.5, 0.1)[0].tolist() == pytest.approx(wanted, abs=1e-6)
    assert calibrate_first(before, 1.0, 0.0) is before
    low = calibrate_first(np.array([[0.6, 0.4]], np.float32), 1.0, -9.0)[0]
    assert low.tolist() == pytest.approx([0.5, 0.5])  # never below the second place


def test_curves_reckoned_by_hand() -> None:
    confidence, correct = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True])
    curve = precision_curve(confidence, correct, points=4)
    assert [row["threshold"] for row in curve] == [0.9, 0.8, 0.7, 0.6]
    assert [row["coverage"] for row in curve] == [0.25, 0.5, 0.75, 1.0]
    assert [row["precision"] for row in curve] == [1.0, 1.0, 0.6667, 0.75]
    assert all(row["precision_lower"] < row["precision"] for row in curve)
    found = alarm_curve(confidence, correct, points=3)
    assert found == [
        {"threshold": 0.9, "recall": 0.3333, "false_alarms": 0.0}, {"threshold": 0.8, "recall": 0.6667, "false_alarms": 0.0},
        {"threshold": 0.6, "recall": 1.0, "false_alarms": 1.0},
    ]  # fmt: skip
    assert precision_curve(confidence[:0], correct[:0]) == []
    assert alarm_curve(confidence, np.zeros(4, np.bool_)) == []


def test_recall_and_false_alarms_reckoned_by_hand() -> None:
    confidence = np.array([0.9, 0.8, 0.7, 0.3, 0.75, 0.1])
    positive = np.array([True, True, True, True, False, False])
    threshold, facts = threshold_for_recall(confidence, positive, 0.75)
    assert threshold == pytest.approx(0.7, abs=1e-5)
    assert facts == {"target": 0.75, "recall": 0.75, "n": 4.0, "false_alarms": 0.5}
    assert threshold_for_recall(np.array([0.6]), np.array([True]), 0.9)[1]["false_alarms"] == 0


def test_false_alarms_are_kept_to_by_the_upper_end_of_their_interval() -> None:
    confidence = np.concatenate([np.linspace(0, 1, 1000), np.full(10, 0.01)])
    positive = np.arange(1010) >= 1000
    plain, facts = threshold_for_recall(confidence, positive, 1.0, most_false_alarms=0.05)
    assert (plain, facts["false_alarms"]) == (pytest.approx(0.95, abs=1e-3), 0.05)
    strict, facts = threshold_for_recall(confidence, positive, 1.0, most_false_alarms=0.05, z=1.64)
    alarms = round(1000 * facts["false_alarms"])
    assert strict > plain
    assert wilson_interval(alarms, 1000, z=1.64)[1] <= 0.05 < wilson_interval(alarms + 1, 1000, z=1.64)[1]
    assert threshold_for_recall(confidence, positive, 1.0, z=1.64)[1]["recall"] == 1, "all may be false"
    few = np.array([False, False, True])
    assert threshold_for_recall(np.array([0.2, 0.4, 0.3]), few, 1.0, most_false_alarms=0.5, z=3)[1]["false_alarms"] == 0


@light
@given(rows, st.sampled_from([0.5, 0.9, 1.0]), st.sampled_from([0.0, 0.05, 0.2, 1.0]))
def test_false_alarms_go_before_recall(found: list[tuple[float, bool]], target: float, most: float) -> None:
    confidence = np.array([value for value, _ in found])
    positive = np.array([flag for _, flag in found], bool)
    if not positive.any():
        return
    free, _ = threshold_for_recall(confidence, positive, target)
    threshold, facts = threshold_for_recall(confidence, positive, target, most_false_alarms=most)
    assert threshold >= free and facts["false_alarms"] <= most + 1e-9
    if threshold > free:  # and no lower one keeps to it, but for those that lie as near as rounding
        lower = confidence[~positive] >= threshold - 2e-6
        assert lower.mean() > most


CALIBRATION = Calibration(
    1.7, (0.5, 0.25), 0.6, (1.25, -0.5), Fusion(tuple(map(float, range(len(FEATURES)))), -6.0),
    Rejector((-1.0, 0.5, 0.25, 1.0), 0.125, (1.0, 2.0, 3.0, 4.0), (0.5, 0.25, 2.0, 1.0), pack_words(np.ones(BUCKETS))),
    Thresholds(faq_direct=0.77, repeat=0.66), {"faq_direct": {"target": 0.95, "n": 12}},
)  # fmt: skip


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    CALIBRATION.save(tmp_path / "calibration.json")
    assert Calibration.load(tmp_path / "calibration.json") == CALIBRATION
    Calibration().save(tmp_path / "default.json")
    assert Calibration.load(tmp_path / "default.json") == Calibration()


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {"faq_direct": 0.8, "from_the_future": 1}}, {"rejector": {}}, {"unknown": 1}, {"fusion": None},
        {"presence_scale": None}, {"intent_first": None}, {"fusion": {"weights": [40.0, 20.0, 0.5, 0.5, 1.0], "bias": -37.0}},
        {"rejector": asdict(CALIBRATION.rejector) | {"weights": [1.0, 1.0, 1.0]}},
        {"rejector": asdict(CALIBRATION.rejector) | {"direction": [0.5, 0.5], "mean": [0.0] * 5}},
    ],
)  # fmt: skip
def test_a_calibration_of_another_version_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(asdict(CALIBRATION) | change), encoding="utf-8")
    with pytest.raises(BundleError, match=r"calibration\.json .* calibrate the bundle again"):
        Calibration.load(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"])
def test_a_damaged_calibration_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=r"calibration\.json"):
        Calibration.load(path)


def test_the_default_anger_threshold_of_a_handoff_lies_above_the_alert() -> None:
    assert Thresholds().anger_alert < Thresholds().anger_handoff
    assert Thresholds().faq_suggest < Thresholds().faq_direct
