"""How much of a query an entry covers: a word that the entry never mentions is why a near entry does not answer."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from data.normalise import for_index, for_model
from data.types import FaqEntry
from models.grams import grams, places_of
from models.postings import Postings

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
        told = [(*own, entry.answer, *entry.steps) for entry, own in zip(entries, asked, strict=True)]
        every = [_grams_of(texts) for texts in (asked, told)]
        self._known = np.unique(every[1][1])
        self._postings = [_postings(places_of(numbers, self._known), owners, len(self._known)) for owners, numbers in every]
        self._size = len(entries)
        # Inverse document frequency over the entries, from 0 (in all) to 1 (in none); the last is that of what no entry holds.
        holders = np.append(np.diff(self._postings[1].starts), 0)
        self._rarity = (np.log((self._size + 1) / (holders + 1)) / np.log(max(2, self._size + 1))).astype(np.float32)
        self._whole: defaultdict[str, list[int]] = defaultdict(list)
        for number, own in enumerate(asked):
            for question in {_plain(_letters(for_index(question))) for question in own}:
                self._whole[question].append(number)

    def features(self, query: str, entries: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns COVERAGE for each entry (by number), all in [0, 1]. Shape: (n, 9), float32."""
        letters = _letters(for_model(query))[:_LONGEST]
        numbers = places_of(grams([letters], *_SIZES)[1], self._known)
        weights = self._rarity[numbers]
        covered = [self._covered(postings, numbers, entries) for postings in self._postings]
        found = []
        for part in (slice(0, len(letters)), slice(len(letters), None)):  # characters, pairs
            for held in covered:
                found += [_share(held[part], weights[part]), _gap(held[part], weights[part])]
        found.append(np.isin(entries, self._whole.get(_plain(letters), [])).astype(np.float32))
        return np.stack(found, axis=1).astype(np.float32)

    def _covered(self, postings: Postings, numbers: NDArray[np.int64], entries: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each entry holds each gram. Shape: (grams, entries)."""
        known = np.flatnonzero(numbers >= 0)
        places, rows = postings.spread(numbers[known])
        columns = np.full(self._size, -1, np.int64)
        columns[entries] = np.arange(len(entries))
        column = columns[postings.documents[places]]
        near = column >= 0
        covered = np.zeros((len(numbers), len(entries)), np.bool_)
        covered[known[rows[near]], column[near]] = True
        return covered


def _plain(letters: str) -> str:
    return letters.translate(_PARTICLES)


def _grams_of(held: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The n-grams of documents, each some texts: the document's number, and the n-gram. Shapes: (m,) and (m,)."""
    owner = np.repeat(np.arange(len(held)), [len(own) for own in held])
    texts, numbers = grams([_letters(for_index(text)) for own in held for text in own], *_SIZES)
    return owner[texts], numbers


def _postings(words: NDArray[np.int64], owners: NDArray[np.int64], size: int) -> Postings:
    owned = int(owners.max(initial=0)) + 1
    words, owners = np.divmod(np.unique(words * owned + owners), owned)  # each pair once
    return Postings.of(words, owners, size=size)


def _letters(plain: str) -> str:
    return _NO_LETTER.sub("", plain.lower())


def _share(covered: NDArray[np.bool_], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The covered share of the weights; all of nothing is covered."""
    total = weights.sum()
    return weights @ covered / total if total else np.ones(covered.shape[1], np.float32)


def _gap(covered: NDArray[np.bool_], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """The weight of the rarest gram that is not covered."""
    return np.asarray(np.max(np.where(covered, 0.0, weights[:, None]), axis=0, initial=0.0), np.float32)
