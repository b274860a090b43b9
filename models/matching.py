"""Whether an entry answers a query: the features of a pair, and the probability made of them. Light: needs numpy only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Shares of a query's characters and pairs of them, weighed by rarity, that occur in the entry, and the rarest that do not.
COVERAGE = (
    "char_cover", "char_gap", "char_cover_all", "char_gap_all", "pair_cover", "pair_gap", "pair_cover_all", "pair_gap_all",
    "exact",  # whether the query is one of the entry's questions, but for particles
)  # fmt: skip
FEATURES = (
    "cosine", "cosine_margin", "bm25", "bm25_margin", "intent_agreement",
    "support", "support_margin", "standard", "ngram", "ngram_margin", "ngram_support",
    "presence", "out_of_scope", "certainty", "presence_max", "length", *COVERAGE,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An entry that may answer a query.

    Attributes:
        faq_id: The entry.
        matched_question: The indexed question nearest to the query; it explains the hit.
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

    weights: tuple[float, ...] = (40.0, 20.0, 0.5, 0.5, 1.0, *[0.0] * (len(FEATURES) - 5))
    bias: float = -37.0

    def probability(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the probability of each row. Shape: (n, features) to (n,)."""
        logits = features @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), dtype=np.float64)
