"""Character n-grams of a message and its context: the wide part of the network, which knows rare words from few examples.

The encoder generalises over wordings; n-grams pin down what it has seen too seldom (order jargon, product words, typos). Their
weighted sum is a matrix row lookup in the same graph, some hundredths of a millisecond.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_SIZES = (1, 2, 3)
_CONTEXT_MARK = "\t"  # cannot occur in normalised text, so that context and message never share a feature
_CONTEXT_SHARE = 0.7  # norm of the context's features beside the message's 1


@dataclass(frozen=True)
class Lexicon:
    """The n-grams that are known, each with its inverse document frequency.

    Attributes:
        numbers: N-gram to its row, from 1; row 0 stands for every message (the intercept), and for padding with weight 0.
        idf: Shape: (n-grams + 1,), float32.
    """

    numbers: dict[str, int]
    idf: NDArray[np.float32]

    @classmethod
    def fit(cls, rows: Sequence[tuple[str, str]], *, min_count: int = 2) -> Lexicon:
        """Returns the lexicon of (message, context) rows: n-grams that occur in `min_count` rows or more."""
        counts = Counter(chain.from_iterable(set(_ngrams(message)) for message, _ in rows))
        counts.update(_CONTEXT_MARK + gram for _, context in rows if context for gram in set(_ngrams(context)))
        kept = sorted(gram for gram, count in counts.items() if count >= min_count)
        idf = np.log((1 + len(rows)) / (1 + np.array([counts[gram] for gram in kept], np.float64))) + 1
        # Rounded as `save` writes it, so that training and serving weigh alike to the last digit.
        idf = np.concatenate([[0.0], idf.round(4)]).astype(np.float32)
        return cls({gram: number for number, gram in enumerate(kept, 1)}, idf)

    def encode(self, message: str, context: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Returns (rows, weights) of a message: row 0 and its known n-grams. Shapes: (m,) and (m,).

        Weights are sublinear TF-IDF; the message's have unit norm, the context's a fixed smaller one.
        """
        ids, weights = self._part(_ngrams(message), "", 1.0)
        if context:
            more_ids, more_weights = self._part(_ngrams(context), _CONTEXT_MARK, _CONTEXT_SHARE)
            ids, weights = np.concatenate([ids, more_ids]), np.concatenate([weights, more_weights])
        return np.concatenate([[0], ids]), np.concatenate([np.ones(1, np.float32), weights])

    def encode_all(self, messages: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        """Returns (message, row, weight) of every known n-gram of every message, as `encode` weighs them; row 0 is left out.

        Shapes: (m,) each, by message. Thousands of messages take a fourth of the time of as many calls of `encode`.
        """
        found = [[number for gram in _ngrams(text) if (number := self.numbers.get(gram)) is not None] for text in messages]
        rows = np.repeat(np.arange(len(found)), [len(numbers) for numbers in found])
        numbers = np.fromiter((number for own in found for number in own), np.int64, len(rows))
        pairs, counts = np.unique(rows * len(self.idf) + numbers, return_counts=True)
        owners, ids = np.divmod(pairs, len(self.idf))
        weights = (1 + np.log(counts.astype(np.float32))) * self.idf[ids]
        norms = np.sqrt(np.bincount(owners, weights.astype(np.float64) ** 2, minlength=len(found)))
        return owners, ids, (weights / norms[owners]).astype(np.float32)

    def save(self, path: Path) -> None:
        """Writes lexicon.json."""
        values = {"ngrams": list(self.numbers), "idf": [round(float(value), 4) for value in self.idf]}
        path.write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Returns what `save` wrote."""
        values = json.loads(path.read_text(encoding="utf-8"))
        return cls({gram: number for number, gram in enumerate(values["ngrams"], 1)}, np.array(values["idf"], np.float32))

    def _part(self, grams: Iterable[str], mark: str, norm: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        counts = Counter(number for gram in grams if (number := self.numbers.get(mark + gram)) is not None)
        if not counts:
            return np.zeros(0, np.int64), np.zeros(0, np.float32)
        ids = np.fromiter(counts.keys(), np.int64, len(counts))
        weights = (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * self.idf[ids]
        return ids, (weights * (norm / np.linalg.norm(weights))).astype(np.float32)


def pad_lexical(rows: Sequence[tuple[NDArray[np.int64], NDArray[np.float32]]]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Returns (rows, weights) of several messages, padded with row 0 at weight 0. Shapes: (n, m) and (n, m)."""
    width = max(len(ids) for ids, _ in rows)
    ids, weights = np.zeros((len(rows), width), np.int64), np.zeros((len(rows), width), np.float32)
    for number, (row_ids, row_weights) in enumerate(rows):
        ids[number, : len(row_ids)] = row_ids
        weights[number, : len(row_weights)] = row_weights
    return ids, weights


def _ngrams(text: str) -> list[str]:
    return [text[start : start + size] for size in _SIZES for start in range(len(text) - size + 1)]
