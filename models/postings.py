"""Which documents hold which words, as arrays: what all the words of a query find comes out in one go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Postings:
    """Documents by word number.

    Attributes:
        starts: Where each word's documents begin, and where the last one's end. Shape: (words + 1,), int64.
        documents: Shape: (postings,), int64.
    """

    starts: NDArray[np.int64]
    documents: NDArray[np.int64]

    @classmethod
    def of(cls, words: NDArray[np.int64], documents: NDArray[np.int64], *, size: int) -> Postings:
        """Returns the postings of distinct pairs of word and document.

        Args:
            words: From 0 to `size` - 1. Shape: (postings,).
            documents: Shape: (postings,).
            size: How many words there are.
        """
        order = np.argsort(words, kind="stable")
        return cls(np.searchsorted(words[order], np.arange(size + 1)), documents[order])

    def spread(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns the places of all postings of some words, and for each the row in `numbers` that it comes from. Shapes: (m,), (m,)."""
        first = self.starts[numbers]
        counts = self.starts[numbers + 1] - first
        rows = np.repeat(np.arange(len(numbers)), counts)
        return np.arange(len(rows)) + np.repeat(first - (np.cumsum(counts) - counts), counts), rows
