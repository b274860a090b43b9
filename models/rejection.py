"""Tells messages that a shop cannot answer (weather, 招聘, gibberish) from those it can, whatever the ranking says."""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES = ("presence", "energy", "direction", "words")
BUCKETS = 2**15
_SIZES = (1, 2, 3)


@dataclass(frozen=True)  # no slots: the arrays below are made once
class Rejector:
    """Logistic regression over four signs of being out of scope.

    presence: the highest presence logit (trained low on out-of-scope rows); energy: log-sum-exp of the ranking's logits;
    direction: a linear separation of in-scope and out-of-scope training vectors; words: the same of their character n-grams,
    which know 股票 and keyboard noise where the encoder does not.

    The distance to the nearest in-scope training vectors was measured too, and left out: alone its AUROC was 0.63, beside the others
    its weight was nought.

    Source: Liu et al. 2020 (energy); Hendrycks et al. 2019 (outlier exposure); Weinberger et al. 2009 (hashed n-grams).

    Attributes:
        weights: One a feature, applied to standardised features.
        bias: The intercept.
        mean: Of each feature on the dev split.
        scale: Standard deviation of each feature on the dev split.
        direction: Weights of the retrieval vector that point out of scope; empty before calibration.
        words: Weights of the hashed n-grams, base64 of BUCKETS little-endian float16; empty before calibration.
    """

    weights: tuple[float, ...] = (-1.0, 0.0, 0.0, 0.0)
    bias: float = -2.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    direction: tuple[float, ...] = ()
    words: str = ""

    @functools.cached_property
    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Direction and word weights, which would else be converted anew for every message."""
        words = np.frombuffer(base64.b64decode(self.words), "<f2").astype(np.float32)
        return np.array(self.direction, np.float32), words

    def features(
        self, vector: NDArray[np.float32], intent: NDArray[np.float32], presence: NDArray[np.float32], texts: Sequence[str]
    ) -> NDArray[np.float64]:
        """Returns the raw features of n messages. Shapes: (n, hidden), (n, intents), (n, intents), n texts to (n, 4)."""
        highest = intent.max(axis=1)
        energy = highest + np.log(np.exp(intent - highest[:, None]).sum(axis=1))
        direction, words = self._arrays
        pointed = vector @ direction if direction.size else np.zeros(len(vector))
        worded = [self._worded(text, words) for text in texts] if words.size else np.zeros(len(vector))
        return np.stack([presence.max(axis=1), energy, pointed, np.asarray(worded)], axis=1).astype(np.float64)

    def probability(
        self, vector: NDArray[np.float32], intent: NDArray[np.float32], presence: NDArray[np.float32], texts: Sequence[str]
    ) -> NDArray[np.float64]:
        """Returns the calibrated probability of being out of scope. Shape: (n,)."""
        standard = (self.features(vector, intent, presence, texts) - np.array(self.mean)) / np.array(self.scale)
        logits = standard @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float64)

    @staticmethod
    def _worded(text: str, words: NDArray[np.float32]) -> float:
        places = word_buckets(text)
        return float(words[places].sum() / np.sqrt(max(1, len(places))))

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Rejector:
        """Returns a rejector from its JSON form.

        Raises:
            ValueError: The words' weights are not BUCKETS numbers.
        """
        tuples = {name: tuple(raw[name]) for name in ("weights", "mean", "scale", "direction")}
        rejector = cls(**tuples, bias=float(raw["bias"]), words=str(raw["words"]))
        if rejector._arrays[1].size not in (0, BUCKETS):
            raise ValueError(f"rejector has {rejector._arrays[1].size} word weights, expected {BUCKETS}")
        return rejector


def word_buckets(text: str) -> NDArray[np.int64]:
    """Returns the distinct buckets of a text's character n-grams, ascending. CRC-32 is the same everywhere; `hash` is not."""
    grams = {text[start : start + size] for size in _SIZES for start in range(len(text) - size + 1)}
    return np.array(sorted({zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS for gram in grams}), np.int64)


def pack_words(weights: NDArray[np.float64]) -> str:
    """Returns the weights of the buckets as `Rejector.words` holds them. Shape: (BUCKETS,)."""
    return base64.b64encode(weights.astype("<f2").tobytes()).decode("ascii")
