"""The TF-IDF baselines that stand beside every figure of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from joblib import parallel_config
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from data.normalise import for_model
from data.types import FaqEntry

_TURNS = 0.7  # norm of the n-grams of the turns before, as in the wide part of the network


def classify(train: Sequence[str], labels: Sequence[int], test: Sequence[str]) -> NDArray[np.int64]:
    """Returns the labels that character TF-IDF (1 to 3-grams) with a linear SVM gives the test texts. Shape: (n,)."""
    features, others = _features(train, test)
    return _predict(features, labels, others)


def scores(train: Sequence[str], labels: Sequence[int], test: Sequence[str], *, classes: int) -> NDArray[np.float64]:
    """Returns the distances by which `classify` decides, no probabilities. Shape: (n, classes); -inf for a class never seen."""
    features, others = _features(train, test)
    model = _fit(features, labels)
    found = np.full((len(test), classes), -np.inf)
    distances = model.decision_function(others)
    found[:, model.classes_] = distances if distances.ndim == 2 else np.stack([-distances, distances], axis=1)
    return found


def classify_turns(
    train: Sequence[tuple[str, str]], labels: Sequence[int], test: Sequence[tuple[str, str]]
) -> NDArray[np.int64]:  # fmt: skip
    """Returns what `classify` would if it read the turns before as well, as n-grams of their own. Shape: (n,).

    Args:
        train: (message, turns before it).
        labels: One a row.
        test: (message, turns before it).
    """
    parts = [_features([row[place] for row in train], [row[place] for row in test]) for place in (0, 1)]
    features, others = (hstack([own, _TURNS * before]).tocsr() for own, before in zip(*parts, strict=True))
    return _predict(features, labels, others)


def _predict(features: csr_matrix, labels: Sequence[int], others: csr_matrix) -> NDArray[np.int64]:
    return np.asarray(_fit(features, labels).predict(others), np.int64)


def _fit(features: csr_matrix, labels: Sequence[int]) -> OneVsRestClassifier:
    with parallel_config(backend="threading"):  # the solver runs without Python's lock
        return OneVsRestClassifier(LinearSVC(C=1.0, random_state=0), n_jobs=2).fit(features, labels)


def _features(train: Sequence[str], test: Sequence[str]) -> tuple[csr_matrix, csr_matrix]:
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    return vectorizer.fit_transform([for_model(text) for text in train]), vectorizer.transform([for_model(text) for text in test])


def rank_entries(entries: Sequence[FaqEntry], queries: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Returns (entries best first, score of the best) by cosine of character TF-IDF to the nearest question.

    Shapes: (queries, entries) and (queries,).
    """
    questions = [for_model(question) for entry in entries for question in entry.questions]
    owner = np.array([number for number, entry in enumerate(entries) for _ in entry.questions])
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    corpus = vectorizer.fit_transform(questions)
    scores = (vectorizer.transform([for_model(query) for query in queries]) @ corpus.T).toarray()
    best = np.stack([scores[:, owner == number].max(1) for number in range(len(entries))], axis=1)
    return np.argsort(-best, axis=1, kind="stable"), best.max(1)
