"""Whether an entry answers a query: the features of a pair, and the probability made of them. Light: needs numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# What is compared with the other candidates, too: each has a margin beside it.
COMPARED = (
    "ngram", "ngram_support", "intent_agreement", "presence",
    # Word by word with the entry's questions: with the likest one, there and back; with that which holds the query best; with all.
    "match", "match_back", "both", "asked", "covered", "least_covered",
    # The same with its answer: alone, and beside its questions.
    "told", "least_told", "held", "least_held",
)  # fmt: skip
FEATURES = (
    *COMPARED,
    *(f"{name}_margin" for name in COMPARED),  # less the best of the other candidates
    "unanswered_cosine", "unanswered_match",  # with the nearest question that no entry answers
    "exact",  # whether the query is one of the entry's questions, but for particles
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An entry that may answer a query.

    Attributes:
        faq_id: The entry.
        matched_question: The indexed question likest to the query, word by word; it explains the hit.
        score: Cosine of query and matched question, in [-1, 1]. Not a probability.
        confidence: Calibrated probability that the entry answers the query, in [0, 1].
        calibrated: Whether the matched question was there when thresholds were fitted; if not, the entry is only suggested.
    """

    faq_id: str
    matched_question: str
    score: float
    confidence: float
    calibrated: bool = True


@dataclass(frozen=True, slots=True)
class Fusion:
    """Logistic regression over FEATURES.

    Attributes:
        weights: One a feature.
        bias: The intercept.
    """

    weights: tuple[float, ...] = tuple(
        {"both": 20.0, "both_margin": 10.0, "intent_agreement": 1.0}.get(name, 0.0) for name in FEATURES
    )
    bias: float = -34.0

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the probability of each row. Shape: (n, features) to (n,)."""
        logits = features @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float64)
