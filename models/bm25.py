"""BM25 over jieba words: finds the entry that shares the rare words, where vectors see only the drift of a sentence."""

from __future__ import annotations

import functools
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jieba
import numpy as np
from numpy.typing import NDArray

from data.normalise import for_model

_K1 = 1.2  # Source: Robertson and Zaragoza 2009, The Probabilistic Relevance Framework, section 3.5
_B = 0.75
_IGNORED = frozenset("的 了 吗 呢 啊 吧 呀 哦 我 你 您 亲 , . ? ! 。 、 : ; ~ … ( ) “ ”".split()) | {" "}


class _Segmenter(jieba.Tokenizer):  # type: ignore[misc]
    """jieba without the beginnings of words in its dictionary: they take half the time to load and a third of its memory."""

    def __init__(self) -> None:
        super().__init__()
        with self.get_dict_file() as file:
            parts = file.read().decode().split()  # word, frequency, part of speech
        counts = list(map(int, parts[1::3]))
        self.FREQ = dict(zip(parts[::3], counts, strict=True))
        self.total = sum(counts)
        self._longest = max(map(len, self.FREQ))
        # Not its `initialize`, which reads a cache from /tmp where anybody may have put it, and takes longer with it than without.
        self.initialized = True

    def get_DAG(self, sentence: str) -> dict[int, list[int]]:
        """Returns for each place the last places of the words that begin there, itself where none does."""
        size, known = len(sentence), self.FREQ
        found = {}
        for first in range(size):
            lasts = [last for last in range(first, min(size, first + self._longest)) if sentence[first : last + 1] in known]
            found[first] = lasts or [first]
        return found


@functools.cache
def _segmenter() -> jieba.Tokenizer:
    jieba.setLogLevel(logging.WARNING)
    return _Segmenter()


def words(text: str) -> list[str]:
    """Returns the words of a text for search: jieba's search mode (long words and their parts), particles dropped."""
    return [word for word in _segmenter().cut_for_search(for_model(text), HMM=False) if word not in _IGNORED]


def segments(text: str) -> list[str]:
    """Returns the text cut between words; joined they are the text again."""
    return list(_segmenter().cut(text, HMM=False))


@functools.lru_cache(maxsize=2**16)  # a knowledge base is indexed again for each entry that changes
def _indexed_words(text: str) -> tuple[str, ...]:
    return tuple(words(text))


@dataclass(frozen=True)
class Bm25Index:
    """Postings with their BM25 weights.

    Attributes:
        vocabulary: Word to its number.
        starts: Where each word's postings begin. Shape: (words + 1,), int64.
        documents: Document of each posting. Shape: (postings,), int32.
        weights: BM25 weight of each posting. Shape: (postings,), float32.
        size: Number of documents.
    """

    vocabulary: dict[str, int]
    starts: NDArray[np.int64]
    documents: NDArray[np.int32]
    weights: NDArray[np.float32]
    size: int

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Bm25Index:
        """Returns the index of the texts."""
        counts = [Counter(_indexed_words(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], np.float32)
        mean = max(1.0, float(lengths.mean())) if len(lengths) else 1.0
        holders: dict[str, list[int]] = defaultdict(list)
        for document, count in enumerate(counts):
            for word in count:
                holders[word].append(document)
        vocabulary = {word: number for number, word in enumerate(sorted(holders))}
        starts, documents, weights = [0], [], []
        for word in vocabulary:
            own = holders[word]
            rarity = np.log(1 + (len(texts) - len(own) + 0.5) / (len(own) + 0.5))
            for document in own:
                frequency = counts[document][word]
                penalty = _K1 * (1 - _B + _B * lengths[document] / mean)
                documents.append(document)
                weights.append(rarity * frequency * (_K1 + 1) / (frequency + penalty))
            starts.append(len(documents))
        return cls(vocabulary, np.array(starts, np.int64), np.array(documents, np.int32), np.array(weights, np.float32), len(texts))

    def scores(self, query: str) -> NDArray[np.float32]:
        """Returns the score of every document, divided by the number of query words. Shape: (documents,), float32, >= 0."""
        result = np.zeros(self.size, np.float32)
        found = words(query)
        for word in found:
            number = self.vocabulary.get(word)
            if number is not None:
                part = slice(self.starts[number], self.starts[number + 1])
                result[self.documents[part]] += self.weights[part]
        return np.asarray(result / max(1, len(found)), np.float32)

    def save(self, folder: Path) -> None:
        """Writes bm25.npz and bm25.json into the folder."""
        np.savez_compressed(folder / "bm25.npz", starts=self.starts, documents=self.documents, weights=self.weights)
        text = json.dumps({"size": self.size, "vocabulary": list(self.vocabulary)}, ensure_ascii=False)
        (folder / "bm25.json").write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Bm25Index:
        """Returns the index that `save` wrote."""
        meta = json.loads((folder / "bm25.json").read_text(encoding="utf-8"))
        with np.load(folder / "bm25.npz", allow_pickle=False) as arrays:
            parts = {name: arrays[name] for name in ("starts", "documents", "weights")}
        return cls({word: number for number, word in enumerate(meta["vocabulary"])}, **parts, size=meta["size"])
