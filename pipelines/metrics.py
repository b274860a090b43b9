"""Measures with intervals: F1, bootstrap, reliability, risk and coverage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

Labels = NDArray[np.int64]


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """Returns the mean of the classes' F1, over classes that occur in the truth, in [0, 1]."""
    size = int(max(truth.max(), predicted.max())) + 1
    # Counted by hand: the bootstrap asks thousands of times, and scikit-learn's checks cost fifty times the counting.
    hits = np.bincount(truth[truth == predicted], minlength=size)
    wanted, said = np.bincount(truth, minlength=size), np.bincount(predicted, minlength=size)
    occurs = wanted > 0
    return float(np.mean(2 * hits[occurs] / (wanted + said)[occurs]))


def accuracy(truth: Labels, predicted: Labels) -> float:
    """Returns the share of right predictions, in [0, 1]."""
    return float(np.mean(truth == predicted))


def bootstrap_interval(
    measure: Callable[[NDArray[np.int64]], float], size: int, *, draws: int, seed: int, groups: NDArray[np.int64] | None = None
) -> tuple[float, float]:
    """Returns the 95 % percentile interval of a measure over resampled rows.

    Args:
        measure: Takes row indices.
        size: Number of rows.
        draws: Resamples.
        seed: Seeds them.
        groups: If given, whole groups (dialogues) are resampled: turns of one dialogue are not independent. Shape: (size,).
    """
    generator = np.random.default_rng(seed)
    if groups is None:
        samples = (generator.integers(0, size, size) for _ in range(draws))
    else:
        members = [np.flatnonzero(groups == name) for name in np.unique(groups)]
        samples = (
            np.concatenate([members[pick] for pick in generator.integers(0, len(members), len(members))]) for _ in range(draws)
        )
    values = [measure(rows) for rows in samples]
    return float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975))


def per_class(truth: Labels, predicted: Labels, names: Sequence[str], titles: Sequence[str]) -> list[dict[str, Any]]:
    """Returns precision, recall, F1 and n of each class, in label order."""
    numbers = np.arange(len(names))
    columns = precision_recall_fscore_support(truth, predicted, labels=numbers, zero_division=0)
    return [
        {
            "label": name, "title": title, "precision": round(float(precision), 3), "recall": round(float(recall), 3),
            "f1": round(float(score), 3), "n": int(count),
        }
        for name, title, precision, recall, score, count in zip(names, titles, *columns, strict=True)
    ]  # fmt: skip


def confusion_matrix(truth: Labels, predicted: Labels, size: int) -> NDArray[np.int64]:
    """Returns counts of (truth, predicted). Shape: (size, size)."""
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (truth, predicted), 1)
    return counts


def auroc(negative: NDArray[np.float64], positive: NDArray[np.float64]) -> float:
    """Returns the chance that a positive scores above a negative, ties half, in [0, 1]."""
    everything = np.concatenate([negative, positive])
    _, inverse, counts = np.unique(everything, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    total = ranks[len(negative) :].sum() - len(positive) * (len(positive) + 1) / 2
    return float(total / (len(negative) * len(positive)))
