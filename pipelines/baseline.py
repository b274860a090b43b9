"""The TF-IDF baselines that stand beside every figure of the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from data.normalise import for_model
from data.types import FaqEntry


def classify(train: Sequence[str], labels: Sequence[int], test: Sequence[str]) -> NDArray[np.int64]:
    """Returns the labels that character TF-IDF (1 to 3-grams) with a linear SVM gives the test texts. Shape: (n,)."""
    model = Pipeline(
        [
            ("tfidf", TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)),
            ("svm", LinearSVC(C=1.0, random_state=0)),
        ]
    )
    model.fit([for_model(text) for text in train], labels)
    return np.asarray(model.predict([for_model(text) for text in test]), np.int64)


def anger_scores(train: Sequence[str], angry: Sequence[bool], test: Sequence[str]) -> NDArray[np.float64]:
    """Returns how angry the same baseline finds the test texts; a score, not a probability. Shape: (n,)."""
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True)
    model = LinearSVC(C=1.0, random_state=0).fit(vectorizer.fit_transform([for_model(text) for text in train]), angry)
    return np.asarray(model.decision_function(vectorizer.transform([for_model(text) for text in test])), np.float64)


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
