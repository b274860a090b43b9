"""The measures against numbers worked out by hand or by scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pipelines.metrics import accuracy, auroc, bootstrap_interval, confusion_matrix, macro_f1, per_class


def test_macro_f1_leaves_out_classes_that_never_occur() -> None:
    truth, predicted = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    # Class 0: 1. Class 1: precision 1, recall 1/2, F1 2/3. Class 2 is not in the truth.
    assert macro_f1(truth, predicted) == pytest.approx((1 + 2 / 3) / 2)
    assert accuracy(truth, predicted) == 0.75


def test_auroc_agrees_with_scikit_learn_with_ties() -> None:
    generator = np.random.default_rng(0)
    negative, positive = generator.integers(0, 8, 50) / 8, generator.integers(2, 10, 30) / 8
    expected = roc_auc_score(np.r_[np.zeros(50), np.ones(30)], np.r_[negative, positive])
    assert auroc(negative, positive) == pytest.approx(expected)


def test_confusion_matrix_counts_truth_by_row() -> None:
    assert confusion_matrix(np.array([0, 0, 1]), np.array([1, 0, 1]), 2).tolist() == [[1, 1], [0, 1]]


def test_per_class_keeps_the_last_class() -> None:
    rows = per_class(np.array([0, 1, 2]), np.array([0, 1, 2]), ["a", "b", "c"], ["甲", "乙", "丙"])
    assert [row["label"] for row in rows] == ["a", "b", "c"]
    assert all(row["f1"] == 1.0 and row["n"] == 1 for row in rows)


def test_bootstrap_of_dependent_turns_is_wider_by_dialogue() -> None:
    right = np.repeat([1.0, 0.0] * 10, 10)
    groups = np.repeat(np.arange(20), 10)
    alone = bootstrap_interval(lambda rows: float(right[rows].mean()), 200, draws=300, seed=1)
    grouped = bootstrap_interval(lambda rows: float(right[rows].mean()), 200, draws=300, seed=1, groups=groups)
    assert grouped[1] - grouped[0] > 2 * (alone[1] - alone[0])
    assert alone[0] < 0.5 < alone[1]
