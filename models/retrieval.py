"""FAQ retrieval: vectors and BM25 over questions only, fused into a probability that the entry answers the query."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from data.errors import BundleError, DataError
from data.knowledge import faq_entry, faq_row
from data.normalise import for_index, for_model
from data.types import FaqEntry
from models.bm25 import Bm25Index
from models.coverage import CoverageIndex
from models.grams import grams, places_of
from models.matching import FEATURES, Fusion, SearchHit
from models.postings import Postings

_SUPPORTERS = 3  # nearest questions of an entry whose mean is its support: one lucky question is less than three
_GRAMS = (1, 2, 3)  # characters
_LONG = 40  # characters from which a query counts as long


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of a query beside its vector; an entry is the likelier to fit the surer the query is understood.

    Attributes:
        intent: Calibrated ranking. Shape: (intents,), float32.
        presence: Calibrated probability of each intent by itself. Shape: (intents,), float32.
        out_of_scope: Calibrated probability, in [0, 1].
    """

    intent: NDArray[np.float32]
    presence: NDArray[np.float32]
    out_of_scope: float


@dataclass(frozen=True, slots=True)
class Candidates:
    """What fusion sees for one query: entries (indices) with their nearest question and features.

    Attributes:
        entries: Shape: (n,), int64.
        questions: Row of the nearest question of each entry. Shape: (n,), int64.
        features: Shape: (n, len(FEATURES)), float32.
    """

    entries: NDArray[np.int64]
    questions: NDArray[np.int64]
    features: NDArray[np.float32]


# Of each entry its intent and its questions, the standard one first.
Questions = dict[str, tuple[str, tuple[str, ...]]]


class FaqIndex:
    """The published entries of a knowledge base, searchable by vector and by words.

    Every question is compared: a shop has thousands, not millions, and faiss scans 6,000 in 0.2 ms. Half precision takes half the
    memory and three fifths of the time; rounded so, a vector may be a little longer than 1.

    `calibrated` names the questions that thresholds were fitted with, where they are not just those of the entries. A question
    counts as calibrated as long as its entry keeps its intent and its standard question; answers may change.
    `like` is an index to take over from what takes time to make, where the questions are the same.
    """

    def __init__(
        self, entries: Sequence[FaqEntry], vectors: NDArray[np.float32], bm25: Bm25Index, intents: Sequence[str],
        *, calibrated: Questions | None = None, like: FaqIndex | None = None,
    ) -> None:  # fmt: skip
        self.entries = tuple(entries)
        self.by_id = {entry.faq_id: entry for entry in self.entries}
        self.questions = [question for entry in self.entries for question in entry.questions]
        self.owner = np.array([number for number, entry in enumerate(self.entries) for _ in entry.questions], np.int64)
        strange = [entry for entry in self.entries if entry.intent not in intents]
        if strange:
            raise BundleError(
                f"entry {strange[0].faq_id!r} has the intent {strange[0].intent!r}, which is not a label; build the index again"
            )
        self._intent = np.array([intents.index(entry.intent) for entry in self.entries], np.int64)
        if vectors.shape[0] != len(self.questions) or bm25.size != len(self.questions):
            raise BundleError(
                f"faq/index.faiss holds {vectors.shape[0]} vectors and bm25 {bm25.size} documents, expected {len(self.questions)} "
                "(the questions of faq/entries.jsonl); build the index again"
            )
        self._index = faiss.IndexScalarQuantizer(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._index.add(np.ascontiguousarray(vectors))
        self.vectors = self._index.reconstruct_n(0, self._index.ntotal)  # as they are saved, so that a loaded index says the same
        self._bm25 = bm25
        self._counts = np.array([len(entry.questions) for entry in self.entries], np.int64)
        self._questions_of = _ranges(self._counts)
        self._ngrams: NgramIndex = (
            like._ngrams if like is not None and like.questions == self.questions else NgramIndex(self.questions)
        )
        own = {entry.faq_id: (entry.intent, entry.questions) for entry in self.entries}
        self.calibrated = own if calibrated is None else calibrated
        self._all_calibrated = own == self.calibrated
        flags = [_calibrated_questions(entry, self.calibrated) for entry in self.entries]
        self._is_calibrated = np.array([flag for own_flags in flags for flag in own_flags], np.bool_)
        self._coverage = CoverageIndex(self.entries, [_kept(*pair) for pair in zip(self.entries, flags, strict=True)])

    @classmethod
    def fit(
        cls,
        entries: Sequence[FaqEntry],
        vectors: NDArray[np.float32],
        intents: Sequence[str],
        *,
        calibrated: Questions | None = None,
        like: FaqIndex | None = None,
    ) -> FaqIndex:
        """Returns the index of entries.

        Args:
            entries: Published entries.
            vectors: One unit vector for each question of each entry, in order. Shape: (questions, hidden), float32.
            intents: The label order.
            calibrated: The questions that thresholds were fitted with; those of the entries if not given.
            like: An index that may have the same questions; what was made of them is taken over.
        """
        questions = [question for entry in entries for question in entry.questions]
        bm25 = like._bm25 if like is not None and like.questions == questions else Bm25Index.fit(questions)
        return cls(entries, vectors, bm25, intents, calibrated=calibrated, like=like)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self._index.d)

    def cosines(self, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the cosine of pairs of questions. Shape: (n, 2) row numbers to (n,)."""
        return np.asarray((self.vectors[pairs[:, 0]] * self.vectors[pairs[:, 1]]).sum(1), np.float32)

    def cosines_with(self, vector: NDArray[np.float32], rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """Returns the cosine of a vector with every question, or with those of some rows, in [-1, 1]. Shape: (n,)."""
        return np.asarray(np.clip(self.vectors[rows] @ vector, -1, 1), np.float32)

    def candidates(self, text: str, vector: NDArray[np.float32], reading: Reading, *, top_k: int = 20) -> Candidates:
        """Returns the entries near a query by vector or by words, with their features.

        Args:
            text: The query, as typed.
            vector: Its retrieval vector. Shape: (hidden,), float32.
            reading: What else the model makes of it.
            top_k: How many questions each engine brings.
        """
        limit = min(top_k, len(self.questions))
        if limit == 0:  # neither faiss nor numpy looks for nothing
            return Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, len(FEATURES)), np.float32))
        _, near = self._index.search(vector[None, :], limit)
        bm25 = self._bm25.scores(text)
        wordy = np.argpartition(-bm25, limit - 1)[:limit]
        rows = np.concatenate([near[0][near[0] >= 0], wordy[bm25[wordy] > 0]])
        entries = np.unique(self.owner[rows])
        # The questions of each entry side by side, one row an entry; short rows are filled up with what no maximum takes.
        own = self._questions_of[entries]
        held = own >= 0
        cosines, ngrams, words = (np.full(own.shape, -np.inf, np.float32) for _ in range(3))
        questions = own[held]
        cosines[held], ngrams[held], words[held] = (
            self.cosines_with(vector, questions), self._ngrams.scores(text)[questions], bm25[questions],
        )  # fmt: skip
        best_question = own[np.arange(len(entries)), cosines.argmax(axis=1)]
        counts = self._counts[entries]
        if not self._all_calibrated:
            # Scored as if the questions added since were not there: they must not lift an entry over the threshold.
            hidden = held & ~self._is_calibrated[own] & self._is_calibrated[best_question][:, None]
            cosines[hidden] = ngrams[hidden] = words[hidden] = -np.inf
            counts = counts - hidden.sum(axis=1)
        cosine, support = _best(cosines, counts)
        ngram, ngram_support = _best(ngrams, counts)
        standard, words = cosines[:, 0], words.max(axis=1)
        own_intent = self._intent[entries]
        columns = (
            cosine, _margin(cosine), words, _margin(words), reading.intent[own_intent], support, _margin(support), standard,
            ngram, _margin(ngram), ngram_support, reading.presence[own_intent], reading.out_of_scope, reading.intent.max(),
            reading.presence.max(), min(len(text), _LONG) / _LONG,
        )  # fmt: skip
        features = np.empty((len(entries), len(FEATURES)), np.float32)
        for number, column in enumerate(columns):
            features[:, number] = column
        features[:, len(columns) :] = self._coverage.features(text, entries)
        return Candidates(entries, best_question, features)

    def search(
        self, text: str, vector: NDArray[np.float32], reading: Reading, fusion: Fusion, *, top_k: int = 5
    ) -> list[SearchHit]:
        """Returns the entries most likely to answer a query, best first. Arguments as in `candidates`."""
        found = self.candidates(text, vector, reading)
        confidence = fusion.probability(found.features)
        order = np.argsort(-confidence, kind="stable")[:top_k]
        return [
            SearchHit(
                self.entries[found.entries[place]].faq_id, self.questions[found.questions[place]],
                round(float(found.features[place, 0]), 4), round(float(confidence[place]), 4),
                bool(self._is_calibrated[found.questions[place]]),
            )
            for place in order
        ]  # fmt: skip

    def save(self, folder: Path) -> None:
        """Writes index.faiss, entries.jsonl and the BM25 statistics into the folder, and calibrated.json where it says more."""
        folder.mkdir(parents=True, exist_ok=True)
        faiss.write_index(self._index, str(folder / "index.faiss"))
        lines = (json.dumps(faq_row(entry), ensure_ascii=False) for entry in self.entries)
        (folder / "entries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._bm25.save(folder)
        if not self._all_calibrated:
            (folder / "calibrated.json").write_text(json.dumps(self.calibrated, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, intents: Sequence[str], *, like: FaqIndex | None = None) -> FaqIndex:
        """Returns the index that `save` wrote; `like` as in `fit`.

        Raises:
            BundleError: A file is damaged or the parts do not fit one another.
        """
        try:
            index = faiss.read_index(str(folder / "index.faiss"))
            # Not splitlines: an answer may hold a line separator of Unicode, which JSON leaves as it is.
            lines = (folder / "entries.jsonl").read_text(encoding="utf-8").split("\n")
            entries = [faq_entry(json.loads(line), f"faq/entries.jsonl:{number}") for number, line in enumerate(lines, 1) if line]
            bm25 = Bm25Index.load(folder)
            calibrated = _read_calibrated(folder / "calibrated.json")
        except (RuntimeError, ValueError, OSError, KeyError, EOFError, DataError, zipfile.BadZipFile, zlib.error) as error:
            raise BundleError(f"the FAQ index in {folder.name}/ cannot be read ({error}); build the bundle again") from error
        return cls(entries, index.reconstruct_n(0, index.ntotal), bm25, intents, calibrated=calibrated, like=like)


class NgramIndex:
    """Cosine of character n-grams between a query and every question: sees typos and product names that words and vectors miss."""

    def __init__(self, questions: Sequence[str]) -> None:
        owners, numbers = grams([for_index(question) for question in questions], *_GRAMS)
        self._known, words = np.unique(numbers, return_inverse=True)
        pairs, counts = np.unique(words * max(1, len(questions)) + owners, return_counts=True)
        words, owners = np.divmod(pairs, max(1, len(questions)))
        self._size = len(questions)
        self._idf = np.log((1 + self._size) / (1 + np.bincount(words, minlength=len(self._known)))) + 1
        weights = (1 + np.log(counts)) * self._idf[words]
        norms = np.sqrt(np.bincount(owners, weights**2, minlength=self._size))
        self._weights = (weights / norms[owners]).astype(np.float32)
        self._postings = Postings.of(words, owners, size=len(self._known))

    def scores(self, query: str) -> NDArray[np.float32]:
        """Returns the cosine of the query with every question, in [0, 1]. Shape: (questions,), float32."""
        places = places_of(grams([for_model(query)], *_GRAMS)[1], self._known)
        words, counts = np.unique(places[places >= 0], return_counts=True)
        weights = (1 + np.log(counts)) * self._idf[words]
        weights /= max(float(np.linalg.norm(weights)), 1e-12)
        own, rows = self._postings.spread(words)
        found = np.bincount(self._postings.documents[own], weights[rows] * self._weights[own], minlength=self._size)
        return found.astype(np.float32)


def _ranges(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the numbers from 0 on, `counts[i]` of them in row i, and -1 after them. Shape: (n, largest count)."""
    starts = np.cumsum(counts) - counts
    places = np.arange(counts.max(initial=1))
    return np.where(places < counts[:, None], starts[:, None] + places, -1)


def _best(scores: NDArray[np.float32], counts: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns the highest score of each row, and the mean of its _SUPPORTERS highest (or of the `counts` that it has)."""
    highest = -np.sort(-scores, axis=1)[:, :_SUPPORTERS]
    held = np.minimum(counts, _SUPPORTERS)
    total = np.where(np.isfinite(highest), highest, 0).sum(axis=1, dtype=np.float32)
    return highest[:, 0], (total / held).astype(np.float32)


def _calibrated_questions(entry: FaqEntry, calibrated: Mapping[str, tuple[str, tuple[str, ...]]]) -> list[bool]:
    """Tells of each question whether thresholds were fitted with it. Another standard question makes another entry."""
    intent, questions = calibrated.get(entry.faq_id, ("", ()))
    same = entry.intent == intent and entry.question == questions[0]
    return [same and question in questions for question in entry.questions]


def _kept(entry: FaqEntry, flags: Sequence[bool]) -> list[str]:
    """The questions whose words may count: those that thresholds were fitted with; all of an entry that is new."""
    return [question for question, flag in zip(entry.questions, flags, strict=True) if flag or not any(flags)]


def _read_calibrated(path: Path) -> Questions | None:
    if not path.exists():
        return None
    raw: dict[str, list[Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {faq_id: (intent, tuple(questions)) for faq_id, (intent, questions) in raw.items()}


def _margin(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns each score less the best of the others: positive for the first place only. Shape: (n,) to (n,)."""
    if len(scores) < 2:
        return np.zeros_like(scores)
    second, first = np.sort(scores)[-2:]
    return np.asarray(np.where(scores == first, scores - second, scores - first), np.float32)
