"""Texts compared word by word, by the vectors of their tokens. Light: needs numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Compared:
    """A query beside some texts.

    Attributes:
        found: The best cosine of each of the query's tokens in each text. Shape: (length, texts), float32.
        back: The mean over each text's tokens of their best cosine in the query. Shape: (texts,), float32.
    """

    found: NDArray[np.float32]
    back: NDArray[np.float32]


class TokenStore:
    """The tokens of many texts, in half precision on the disk, and rounded so in memory, so that both say the same.

    Source of the comparison: Khattab and Zaharia 2020, ColBERT: Efficient and Effective Passage Search via Contextualized Late
    Interaction.
    """

    def __init__(self, vectors: NDArray[np.float16], counts: NDArray[np.int32]) -> None:
        """Takes the unit vectors of all texts' tokens one after the other, shape (tokens, width), and how many each has, at least 1."""
        self.counts = counts
        self._vectors = vectors.astype(np.float32)
        self._starts = np.cumsum(counts, dtype=np.int64) - counts

    @property
    def size(self) -> int:
        """Number of texts."""
        return len(self.counts)

    @classmethod
    def of(cls, texts: Sequence[NDArray[np.float32]]) -> TokenStore:
        """Returns the store of texts, each the unit vectors of its tokens. Shapes: (length, width), float32."""
        joined = np.concatenate(texts) if texts else np.zeros((0, 0), np.float32)
        return cls(joined.astype(np.float16), np.array([len(text) for text in texts], np.int32))

    def __getitem__(self, text: int) -> NDArray[np.float32]:
        """Returns the tokens of a text. Shape: (length, width), float32."""
        return self._vectors[self._starts[text] : self._starts[text] + self.counts[text]]

    def save(self, path: Path) -> None:
        """Writes a file that `load` reads."""
        np.savez(path, vectors=self._vectors.astype(np.float16), counts=self.counts)

    @classmethod
    def load(cls, path: Path) -> TokenStore:
        """Returns the store that `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(arrays["vectors"], arrays["counts"])

    def compare(self, query: NDArray[np.float32], texts: NDArray[np.int64]) -> Compared:
        """Returns a query beside some texts.

        Args:
            query: Unit vectors of its tokens. Shape: (length, width), float32.
            texts: Their numbers. Shape: (texts,), int64, at least one.
        """
        counts = self.counts[texts]
        bounds = np.cumsum(counts) - counts
        places = np.repeat(self._starts[texts] - bounds, counts) + np.arange(counts.sum())
        cosines = query @ self._vectors.take(places, axis=0).T
        found = np.maximum.reduceat(cosines, bounds, axis=1)
        back = np.add.reduceat(cosines.max(axis=0), bounds) / counts
        return Compared(found, back.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Embedded:
    """Texts as the encoder gives them.

    Attributes:
        vectors: One of unit length for each text, but for rounding. Shape: (n, hidden), float16.
        tokens: Those of each text.
    """

    vectors: NDArray[np.float16]
    tokens: TokenStore
