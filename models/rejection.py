"""Tells messages that a shop cannot answer (weather, 招聘, gibberish) from those it can, whatever the ranking says."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES = ("presence", "energy", "neighbour", "direction")


@dataclass(frozen=True)  # no slots: the arrays below are made once
class Rejector:
    """Logistic regression over four signs of being out of scope.

    presence: the highest presence logit (trained low on out-of-scope rows); energy: log-sum-exp of the ranking's logits;
    neighbour: cosine to the nearest centroid of the in-scope training vectors; direction: a linear separation of in-scope and
    out-of-scope training vectors.

    Source: Liu et al. 2020 (energy); Lee et al. 2018 (distance to training features); Hendrycks et al. 2019 (outlier exposure).

    Attributes:
        weights: One a feature, applied to standardised features.
        bias: The intercept.
        mean: Of each feature on the dev split.
        scale: Standard deviation of each feature on the dev split.
        direction: Weights of the retrieval vector that point out of scope; empty before calibration.
        centroids: Unit centroids of clusters of training vectors, some for each intent; empty before calibration.
    """

    weights: tuple[float, ...] = (-1.0, 0.0, 0.0, 0.0)
    bias: float = -2.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0)
    scale: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    centroids: tuple[tuple[float, ...], ...] = ()
    direction: tuple[float, ...] = ()

    @functools.cached_property
    def _arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Centroids and direction, which would else be converted anew for every message."""
        return np.array(self.centroids, np.float32), np.array(self.direction, np.float32)

    def features(
        self, vector: NDArray[np.float32], intent: NDArray[np.float32], presence: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Returns the raw features of n messages. Shapes: (n, hidden), (n, intents), (n, intents) to (n, 4)."""
        highest = intent.max(axis=1)
        energy = highest + np.log(np.exp(intent - highest[:, None]).sum(axis=1))
        centroids, direction = self._arrays
        neighbour = (vector @ centroids.T).max(axis=1) if centroids.size else np.zeros(len(vector))
        pointed = vector @ direction if direction.size else np.zeros(len(vector))
        return np.stack([presence.max(axis=1), energy, neighbour, pointed], axis=1).astype(np.float64)

    def probability(
        self, vector: NDArray[np.float32], intent: NDArray[np.float32], presence: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Returns the calibrated probability of being out of scope. Shape: (n,)."""
        standard = (self.features(vector, intent, presence) - np.array(self.mean)) / np.array(self.scale)
        logits = standard @ np.array(self.weights) + self.bias
        return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))), np.float64)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Rejector:
        """Returns a rejector from its JSON form."""
        tuples = {name: tuple(raw[name]) for name in ("weights", "mean", "scale", "direction")}
        return cls(**tuples, bias=float(raw["bias"]), centroids=tuple(tuple(row) for row in raw["centroids"]))
