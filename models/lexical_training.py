"""Fits the wide part: one linear SVM a label over n-grams, and how much it counts beside the encoder. Training code only."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC

from models.calibration import fit_temperature, softmax
from models.lexical import Lexicon

_SHARES = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def fit_weights(
    features: csr_matrix,
    targets: NDArray[np.bool_],
    *,
    strength: float = 1.0,
    row_weights: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Returns one column of weights a label. Shape: (n-grams + 1, labels), float32; row 0 holds the intercepts.

    Args:
        features: The rows' n-grams, as `matrix` makes them. Shape: (rows, n-grams + 1).
        targets: Which labels each row carries. Shape: (rows, labels).
        strength: Inverse regularisation of the SVMs.
        row_weights: How much each row counts, in [0, 1]; all alike if not given. Shape: (rows,).
    """
    weights = np.zeros((features.shape[1], targets.shape[1]), np.float32)

    def fit(label: int) -> None:
        if targets[:, label].any() and not targets[:, label].all():
            # Row 0 is in every message with weight 1, so that the intercept is a weight like the others.
            model = LinearSVC(C=strength, fit_intercept=False, random_state=0).fit(
                features, targets[:, label], sample_weight=row_weights
            )
            weights[:, label] = model.coef_[0]

    with ThreadPoolExecutor(max_workers=2) as pool:  # the solver runs without Python's lock
        list(pool.map(fit, range(targets.shape[1])))
    return weights


def matrix(lexicon: Lexicon, rows: Sequence[tuple[str, str]]) -> csr_matrix:
    """Returns the rows' n-gram weights. Shape: (rows, n-grams + 1)."""
    encoded = [lexicon.encode(message, context) for message, context in rows]
    starts = np.cumsum([0, *(len(ids) for ids, _ in encoded)])
    ids = np.concatenate([ids for ids, _ in encoded])
    weights = np.concatenate([weights for _, weights in encoded])
    return csr_matrix((weights, ids, starts), shape=(len(rows), len(lexicon.idf)))


def best_share(deep: NDArray[np.float32], wide: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Returns the share of the wide logits with the least negative log-likelihood on the dev split.

    Args:
        deep: The encoder's logits. Shape: (n, classes).
        wide: The n-grams' logits. Shape: (n, classes).
        truth: Right classes. Shape: (n,).
    """

    def loss(share: float) -> float:
        logits = deep + share * wide
        probability = softmax(logits, fit_temperature(logits, truth))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(probability, 1e-12)).mean())

    return min(_SHARES, key=loss)
