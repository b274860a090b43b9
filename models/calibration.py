"""Makes scores into probabilities and chooses thresholds: temperatures, Platt scaling, targets. All fitted on the dev split."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import BundleError
from models.matching import FEATURES as FUSION_FEATURES
from models.matching import Fusion
from models.rejection import FEATURES as REJECTION_FEATURES
from models.rejection import Rejector

Floats = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where decisions change. Each is on a calibrated probability in [0, 1].

    Attributes:
        faq_direct: At or above it the entry's answer is sent.
        faq_suggest: At or above it the entry is suggested.
        intent: Below it the first intent is not relied upon.
        intent_margin: Lead over the second intent below which a bare message is ambiguous.
        presence: An intent is present at or above it.
        out_of_scope: A message is out of scope at or above it.
        certain_intent: At or above it the first intent is served though the message looks out of scope.
        anger_alert: Anger is reported at or above it.
        anger_handoff: A person takes over at or above it; it lies above the alert.
        anxiety_alert: Anxiety is reported at or above it.
        repeat: Cosine of two messages at or above which the second repeats the first (a similarity, not a probability).
    """

    faq_direct: float = 0.8
    faq_suggest: float = 0.3
    intent: float = 0.35
    intent_margin: float = 0.05
    presence: float = 0.4
    out_of_scope: float = 0.5
    certain_intent: float = 0.93
    anger_alert: float = 0.4
    anger_handoff: float = 0.85
    anxiety_alert: float = 0.5
    repeat: float = 0.9


@dataclass(frozen=True, slots=True)
class Calibration:
    """All that turns the graph's outputs into probabilities and decisions.

    Attributes:
        intent_temperature: Divides the ranking's logits.
        intent_first: Slope and intercept of the logit of the first place's probability (top-label calibration): a temperature alone
            leaves the middle too high and the ends too low.
        emotion_temperature: Divides the emotions' logits.
        presence_scale: Slope and intercept of the presence logits (Platt scaling).
        fusion: The FAQ fusion.
        rejector: The out-of-scope model.
        thresholds: See Thresholds.
        provenance: How each threshold was chosen: target, reached, n, and the curve it was chosen on.
    """

    intent_temperature: float = 1.0
    intent_first: tuple[float, float] = (1.0, 0.0)
    emotion_temperature: float = 1.0
    presence_scale: tuple[float, float] = (1.0, 0.0)
    fusion: Fusion = field(default_factory=Fusion)
    rejector: Rejector = field(default_factory=Rejector)
    thresholds: Thresholds = field(default_factory=Thresholds)
    provenance: dict[str, Any] = field(default_factory=dict)

    def intent_probabilities(self, logits: Floats) -> NDArray[np.float32]:
        """Returns the calibrated ranking. Shape: (n, intents)."""
        return calibrate_first(softmax(logits, self.intent_temperature), *self.intent_first)

    def save(self, path: Path) -> None:
        """Writes calibration.json."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Returns what `save` wrote.

        Raises:
            BundleError: The file is not a calibration of this version.
        """
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            for name, features in (("fusion", FUSION_FEATURES), ("rejector", REJECTION_FEATURES)):
                if len(raw[name]["weights"]) != len(features):  # else every search would fail, one message at a time
                    raise ValueError(f"{name} has {len(raw[name]['weights'])} weights, expected {len(features)}")
            return cls(
                **raw
                | {
                    "intent_first": tuple(raw["intent_first"]),
                    "presence_scale": tuple(raw["presence_scale"]),
                    "fusion": Fusion(tuple(raw["fusion"]["weights"]), raw["fusion"]["bias"]),
                    "rejector": Rejector.from_json(raw["rejector"]),
                    "thresholds": Thresholds(**raw["thresholds"]),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"calibration.json does not fit this version of kefu ({error}); calibrate the bundle again"
            ) from error


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float32]:
    """Returns probabilities along the last axis."""
    scaled = np.asarray(logits, np.float64) / temperature
    exponent = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=-1, keepdims=True), np.float32)


def sigmoid(logits: Floats) -> NDArray[np.float32]:
    """Returns 1 / (1 + exp(-x)), without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(np.asarray(logits, np.float64), -30, 30))), np.float32)


def calibrate_first(probability: NDArray[np.float32], slope: float, intercept: float) -> NDArray[np.float32]:
    """Returns probabilities whose first place is sigmoid(slope · logit + intercept); the others share the rest as they did.

    The order never changes: the first place keeps at least what the second gets.

    Args:
        probability: Shape: (n, classes).
        slope: 1 changes nothing, less than 1 draws both ends to the middle.
        intercept: Added on the logit scale.

    Source: Gupta and Ramdas 2022, Top-label calibration.
    """
    if (slope, intercept) == (1.0, 0.0) or probability.shape[-1] < 2:
        return probability
    wide = np.maximum(np.asarray(probability, np.float64), 1e-9)
    second, first = np.sort(wide, axis=-1)[:, -2:].T
    rest = wide.sum(axis=-1) - first  # not 1 - first, which float32 rounds to nothing
    wanted = np.asarray(sigmoid(slope * np.log(first / rest) + intercept), np.float64)
    first_new = np.maximum(wanted, second / (rest + second))
    scaled = wide * ((1 - first_new) / rest)[:, None]
    scaled[np.arange(len(wide)), wide.argmax(axis=-1)] = first_new
    return np.asarray(scaled, np.float32)


def fit_temperature(logits: Floats, labels: NDArray[np.int64]) -> float:
    """Returns the temperature with the least negative log-likelihood, by golden-section search over [0.2, 5].

    Args:
        logits: Shape: (n, classes).
        labels: Right classes. Shape: (n,).

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks.
    """

    def loss(log_temperature: float) -> float:
        probability = softmax(logits, math.exp(log_temperature))[np.arange(len(labels)), labels]
        return float(-np.log(np.maximum(probability, 1e-12)).mean())

    low, high = math.log(0.2), math.log(5.0)
    ratio = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return math.exp((low + high) / 2)


def expected_calibration_error(confidence: Floats, correct: NDArray[np.bool_], *, bins: int = 15) -> float:
    """Returns the ECE over bins of equal mass, in [0, 1].

    Args:
        confidence: Probability of the predicted class. Shape: (n,).
        correct: Whether the prediction was right. Shape: (n,).
        bins: Number of bins.

    Source: Nguyen and O'Connor 2015 (equal-mass bins); Naeini et al. 2015 (ECE).
    """
    order = np.argsort(confidence, kind="stable")
    total = 0.0
    for part in np.array_split(order, min(bins, len(order))):
        total += len(part) * abs(float(np.mean(np.asarray(confidence, np.float64)[part])) - float(np.mean(correct[part])))
    return total / max(1, len(order))


def ece_band(confidence: Floats, *, draws: int = 500, seed: int = 0, bins: int = 15) -> tuple[float, float]:
    """Returns the 95 % band of the ECE that a perfectly calibrated model with these confidences would show."""
    generator = np.random.default_rng(seed)
    values = [
        expected_calibration_error(confidence, generator.random(len(confidence)) < confidence, bins=bins) for _ in range(draws)
    ]
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def wilson_lower(successes: int, total: int, *, z: float = 1.96) -> float:
    """Returns the lower end of the Wilson interval of a share, in [0, 1]. Source: Wilson 1927."""
    return wilson_interval(successes, total, z=z)[0]


def wilson_interval(successes: int, total: int, *, z: float = 1.96) -> tuple[float, float]:
    """Returns the Wilson interval of a share, in [0, 1]; (0, 1) when nothing was counted."""
    if total == 0:
        return 0.0, 1.0
    share = successes / total
    centre = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def threshold_for_precision(
    confidence: Floats, correct: NDArray[np.bool_], target: float, *, z: float = 0.0
) -> tuple[float, dict[str, float]]:
    """Returns the lowest threshold at which accepted rows are right with the target precision, and what it reaches.

    Args:
        confidence: Probability of each row. Shape: (n,).
        correct: Whether the row, if accepted, is right. Shape: (n,).
        target: Precision in [0, 1].
        z: 0 compares the precision itself, 1.96 the lower end of its 95 % Wilson interval.
    """
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    values = np.asarray(confidence, np.float64)[order]
    hits = np.cumsum(correct[order])
    best = 0
    for count in range(1, len(order) + 1):
        tied = count < len(order) and values[count] == values[count - 1]
        reached = wilson_lower(int(hits[count - 1]), count, z=z) if z else hits[count - 1] / count
        if not tied and reached >= target:
            best = count
    if best == 0:
        # Above 1, for a confidence that rounds to 1 would pass a threshold of 1.
        return math.nextafter(1.0, 2.0), {"target": target, "precision": float("nan"), "coverage": 0.0, "n": float(len(order))}
    # Halfway to the next value: a threshold that sits on a row would hang on its last digit.
    following = values[best] if best < len(order) else values[best - 1] - 1e-6
    threshold = max(float((values[best - 1] + following) / 2), math.nextafter(following, 2.0))
    precision = float(hits[best - 1] / best)
    return threshold, {"target": target, "precision": precision, "coverage": best / len(order), "n": float(len(order))}


def precision_curve(confidence: Floats, correct: NDArray[np.bool_], *, points: int = 40) -> list[dict[str, float]]:
    """Returns what thresholds from strict to loose accept: threshold, coverage, precision and its Wilson lower bound, all in [0, 1].

    Args:
        confidence: Probability of each row. Shape: (n,).
        correct: Whether the row, if accepted, is right. Shape: (n,).
        points: Coverages, evenly spaced up to 1.
    """
    order = np.argsort(-np.asarray(confidence, np.float64), kind="stable")
    values, hits = np.asarray(confidence, np.float64)[order], np.cumsum(correct[order])
    counts = sorted({max(1, round(len(order) * (point + 1) / points)) for point in range(points)}) if len(order) else []
    return [
        {
            "threshold": round(float(values[count - 1]), 4), "coverage": round(count / len(order), 4),
            "precision": round(float(hits[count - 1] / count), 4), "precision_lower": round(wilson_lower(int(hits[count - 1]), count), 4),
        }
        for count in counts
    ]  # fmt: skip


def alarm_curve(confidence: Floats, positive: NDArray[np.bool_], *, points: int = 40) -> list[dict[str, float]]:
    """Returns what thresholds from strict to loose find: threshold, recall of the positives, false alarms among the others.

    Args:
        confidence: Probability of each row. Shape: (n,).
        positive: Whether the row should raise the alarm. Shape: (n,).
        points: Recalls, evenly spaced up to 1.
    """
    values = np.asarray(confidence, np.float64)
    found = np.sort(values[positive])[::-1]
    places = sorted({max(1, round(len(found) * (point + 1) / points)) - 1 for point in range(points)}) if len(found) else []
    return [
        {
            "threshold": round(float(found[place]), 4), "recall": round(float((values[positive] >= found[place]).mean()), 4),
            "false_alarms": round(float((values[~positive] >= found[place]).mean()), 4) if (~positive).any() else 0.0,
        }
        for place in places
    ]  # fmt: skip


def threshold_for_recall(
    confidence: Floats, positive: NDArray[np.bool_], target: float, *, most_false_alarms: float = 1.0, z: float = 0.0
) -> tuple[float, dict[str, float]]:
    """Returns the highest threshold that still finds the target share of the positives, and what it reaches.

    Args:
        confidence: Probability of each row. Shape: (n,).
        positive: Whether the row should raise the alarm. Shape: (n,).
        target: Share of the positives, in [0, 1].
        most_false_alarms: Share of the others, in [0, 1], that may raise it; where more would, the threshold is the lowest one
            that keeps to it, and finds less than the target.
        z: 0 compares the share of false alarms itself, 1.64 the upper end of its Wilson interval, which the truth exceeds in one case of twenty (of independent rows).
    """
    values = np.asarray(confidence, np.float64)
    found, others = np.sort(values[positive]), np.sort(values[~positive])[::-1]
    if len(found) == 0:
        return 0.5, {"target": target, "recall": float("nan"), "false_alarms": float("nan"), "n": 0.0}
    missed = math.floor((1 - target) * len(found) + 1e-9)
    threshold = float(found[missed]) - 1e-6
    allowed = math.floor(most_false_alarms * len(others) + 1e-9)
    while z and allowed > 0 and wilson_interval(allowed, len(others), z=z)[1] > most_false_alarms:
        allowed -= 1
    if allowed < len(others):
        threshold = max(threshold, float(others[allowed]) + 1e-6)
    accepted = values >= threshold
    return threshold, {
        "target": target, "recall": float(accepted[positive].mean()), "n": float(len(found)),
        "false_alarms": float(accepted[~positive].mean()) if len(others) else 0.0,
    }  # fmt: skip
