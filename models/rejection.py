"""Tells messages that a shop cannot answer (weather, 招聘, gibberish) from those it can, whatever the ranking says."""

from __future__ import annotations

import base64
import functools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

FEATURES = ("presence", "energy", "words", "head")
BUCKETS = 2**15
_SIZES = (1, 2, 3)


class Scores(Protocol):
    """What of the encoder's outputs a rejection hangs on; see `models.encoder.Encoded`."""

    @property
    def intent(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def presence(self) -> NDArray[np.float32]: ...  # noqa: D102
    @property
    def outside(self) -> NDArray[np.float32]: ...  # noqa: D102


@dataclass(frozen=True)  # no slots: the array below is made once
class Rejector:
    """Logistic regression over four signs of being out of scope.

    presence: the highest presence logit; energy: log-sum-exp of the ranking's logits; words: a linear separation of in-scope and
    out-of-scope training texts by their character n-grams, which know 股票 and keyboard noise where the encoder does not; head: the
    network's own logit, trained on out-of-scope texts with all the rest.

    Measured too, and left out, because their weight beside the head was nought: the distance to the nearest in-scope training vectors, and
    a linear separation of training vectors.

    Source: Liu et al. 2020 (energy); Hendrycks et al. 2019 (outlier exposure); Weinberger et al. 2009 (hashed n-grams).

    Attributes:
        weights: One a feature, applied to standardised features.
        bias: The intercept.
        mean: Of each feature on the dev split.
        scale: Standard deviation of each feature on the dev split.
        words: Weights of the hashed n-grams, base64 of BUCKETS little-endian float16; empty before calibration.
    """

    weights: tuple[float, ...] = (-1.0, 0.0, 0.0, 0.0)
    bias: float = -2.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    words: str = ""

    @functools.cached_property
    def _words(self) -> NDArray[np.float32]:
        """Word weights, which would else be converted anew for every message."""
        return np.frombuffer(base64.b64decode(self.words), "<f2").astype(np.float32)

    def features(self, scores: Scores, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the raw features of n messages. Shape: (n, 4)."""
        highest = scores.intent.max(axis=1)
        energy = highest + np.log(np.exp(scores.intent - highest[:, None]).sum(axis=1))
        worded = [self._worded(text, self._words) for text in texts] if self._words.size else np.zeros(len(highest))
        signs = [scores.presence.max(axis=1), energy, np.asarray(worded), scores.outside]
        return np.stack(signs, axis=1).astype(np.float64)

    def probability(self, scores: Scores, texts: Sequence[str]) -> NDArray[np.float64]:
        """Returns the calibrated probability of being out of scope. Shape: (n,)."""
        standard = (self.features(scores, texts) - np.array(self.mean)) / np.array(self.scale)
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
            ValueError: The words' weights are not BUCKETS numbers, or others not one a feature.
        """
        tuples = {name: tuple(raw[name]) for name in ("weights", "mean", "scale")}
        short = [name for name, values in tuples.items() if len(values) != len(FEATURES)]
        if short:
            raise ValueError(f"rejector has {len(tuples[short[0]])} numbers for {short[0]}, expected {len(FEATURES)}")
        rejector = cls(**tuples, bias=float(raw["bias"]), words=str(raw["words"]))
        if rejector._words.size not in (0, BUCKETS):
            raise ValueError(f"rejector has {rejector._words.size} word weights, expected {BUCKETS}")
        return rejector


def word_buckets(text: str) -> NDArray[np.int64]:
    """Returns the distinct buckets of a text's character n-grams, ascending. CRC-32 is the same everywhere; `hash` is not."""
    grams = {text[start : start + size] for size in _SIZES for start in range(len(text) - size + 1)}
    return np.array(sorted({zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS for gram in grams}), np.int64)


def pack_words(weights: NDArray[np.float64]) -> str:
    """Returns the weights of the buckets as `Rejector.words` holds them. Shape: (BUCKETS,)."""
    return base64.b64encode(weights.astype("<f2").tobytes()).decode("ascii")
