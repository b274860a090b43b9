"""How much of a query an entry covers: a word that the entry never mentions is why a near entry does not answer."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from data.normalise import for_index, for_model
from data.types import FaqEntry

# Shares of a query's characters and pairs of them, weighed by rarity, that occur in the entry, and the rarest that do not.
COVERAGE = (
    "char_cover", "char_gap", "char_cover_all", "char_gap_all", "pair_cover", "pair_gap", "pair_cover_all", "pair_gap_all",
    "exact",  # whether the query is one of the entry's questions, but for particles
)  # fmt: skip
_SIZES = (1, 2)
_LONGEST = 200  # characters of a query that are looked at
_PARTICLES = str.maketrans("", "", "啊呀呢吧哈嘛呗哦亲")
_NO_LETTER = re.compile(r"[\W_]")


class CoverageIndex:
    """Which entries hold which characters and pairs of them: in their questions alone, and in questions, answer and steps ("all").

    Answers are never searched by; they only tell whether an entry that was found speaks of what was asked.
    """

    def __init__(self, entries: Sequence[FaqEntry], asked: Sequence[Sequence[str]]) -> None:
        """Indexes entries, each with the questions of it that count."""
        in_questions = [_grams_of(own) for own in asked]
        told = [own | _grams_of((entry.answer, *entry.steps)) for entry, own in zip(entries, in_questions, strict=True)]
        self._postings = [_postings(in_questions), _postings(told)]
        self._size = len(entries)
        self._whole: defaultdict[str, list[int]] = defaultdict(list)
        for number, own in enumerate(asked):
            for question in {_plain(_letters(for_index(question))) for question in own}:
                self._whole[question].append(number)

    def features(self, query: str, entries: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns COVERAGE for each entry (by number), all in [0, 1]. Shape: (n, 9), float32."""
        letters = _letters(for_model(query))[:_LONGEST]
        columns = np.full(self._size, -1, np.int64)
        columns[entries] = np.arange(len(entries))
        found = []
        for size in _SIZES:
            grams = _grams(letters, size)
            weights = np.array([self._rarity(gram) for gram in grams], np.float32)
            for postings in self._postings:
                covered = np.zeros((len(grams), len(entries)), np.bool_)
                for row, gram in enumerate(grams):
                    places = columns[postings.get(gram, _NOWHERE)]
                    covered[row, places[places >= 0]] = True
                found += [_share(covered, weights), _gap(covered, weights)]
        found.append(np.isin(entries, self._whole.get(_plain(letters), [])).astype(np.float32))
        return np.stack(found, axis=1).astype(np.float32)

    def _rarity(self, gram: str) -> float:
        """Inverse document frequency over the entries, from 0 (in all) to 1 (in none)."""
        count = len(self._postings[1].get(gram, _NOWHERE))
        return math.log((self._size + 1) / (count + 1)) / math.log(self._size + 1)


_NOWHERE = np.zeros(0, np.int64)


def _postings(grams: Iterable[Iterable[str]]) -> dict[str, NDArray[np.int64]]:
    owners: defaultdict[str, list[int]] = defaultdict(list)
    for number, own in enumerate(grams):
        for gram in own:
            owners[gram].append(number)
    return {gram: np.array(numbers, np.int64) for gram, numbers in owners.items()}


def _plain(letters: str) -> str:
    return letters.translate(_PARTICLES)


def _grams_of(texts: Iterable[str]) -> set[str]:
    return {gram for text in texts for size in _SIZES for gram in _grams(_letters(for_index(text)), size)}


def _letters(plain: str) -> str:
    return _NO_LETTER.sub("", plain.lower())


def _grams(letters: str, size: int) -> list[str]:
    return [letters[start : start + size] for start in range(len(letters) - size + 1)]


def _share(covered: NDArray[np.bool_], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The covered share of the weights; all of nothing is covered."""
    total = weights.sum()
    return weights @ covered / total if total else np.ones(covered.shape[1], np.float32)


def _gap(covered: NDArray[np.bool_], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weight of the rarest gram that is not covered."""
    return np.asarray(np.max(np.where(covered, 0.0, weights[:, None]), axis=0, initial=0.0), np.float32)
