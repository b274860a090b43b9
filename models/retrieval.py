"""FAQ retrieval: questions found by vectors and BM25, compared word by word, fused into a probability that the entry answers the query."""

from __future__ import annotations

import json
import re
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
from models.grams import grams, places_of
from models.interaction import Embedded, TokenStore
from models.matching import COMPARED, FEATURES, Fusion, SearchHit
from models.postings import Postings

_SUPPORTERS = 3  # nearest questions of an entry whose mean is its support: one lucky question is less than three
_GRAMS = (1, 2, 3)  # characters
_COMPONENTS = 64
_NEAR = 8  # questions that each engine brings: more bring no better entries
ITSELF = 0.998  # cosine from which on a text is the query itself, in half precision
_UNANSWERED = 6  # nearest questions without an answer that are compared word by word
_PARTICLES = str.maketrans("", "", "啊呀呢吧哈嘛呗哦亲")
_NO_LETTER = re.compile(r"[\W_]")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model makes of a query beside its vector; an entry is the likelier to fit the surer the query is understood.

    Attributes:
        intent: Calibrated ranking. Shape: (intents,), float32.
        presence: Calibrated probability of each intent by itself. Shape: (intents,), float32.
        out_of_scope: Calibrated probability, in [0, 1].
        tokens: Unit vectors of its tokens. Shape: (length, width), float32.
    """

    intent: NDArray[np.float32]
    presence: NDArray[np.float32]
    out_of_scope: float
    tokens: NDArray[np.float32]


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


@dataclass(frozen=True, slots=True)
class Texts:
    """What the encoder makes of a knowledge base.

    Attributes:
        questions: Of each entry in order, the standard one first.
        answers: The tokens of each entry's answer; see `answer_text`.
        unanswered: Questions that customers ask and that no entry answers; may be none.
    """

    questions: Embedded
    answers: TokenStore
    unanswered: Embedded


class FaqIndex:
    """The published entries of a knowledge base, searchable by vector and by words.

    Only questions are searched by. Every one is scanned: a shop has thousands, not millions. It is scanned by its principal components,
    which find as many of the right entries as whole vectors do, in a seventh of the time (10,000 questions: 0.06 ms). Answers only tell
    whether an entry that was found speaks of what was asked, and questions without an answer how near one of those is.

    `calibrated` names the questions that thresholds were fitted with, where they are not just those of the entries. A question
    counts as calibrated as long as its entry keeps its intent and its standard question; answers may change.
    `like` is an index to take over from what takes time to make, where the questions are the same.
    """

    def __init__(
        self, entries: Sequence[FaqEntry], texts: Texts, bm25: Bm25Index, intents: Sequence[str],
        *, scans: tuple[faiss.Index, faiss.Index] | None = None, calibrated: Questions | None = None, like: FaqIndex | None = None,
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
        self.texts = texts
        self._index, self._unanswered = scans or _scans_of(texts, like)
        held = (len(texts.questions.vectors), texts.questions.tokens.size, bm25.size, self._index.ntotal)
        if held != (len(self.questions),) * 4 or texts.answers.size != len(self.entries):
            raise BundleError(
                f"faq/ holds {held[0]} vectors, {held[1]} tokenised questions, bm25 {held[2]} documents, index.faiss {held[3]} vectors and "
                f"{texts.answers.size} answers, expected {len(self.questions)} of each and {len(self.entries)} answers (those of "
                "faq/entries.jsonl); build the index again"
            )
        others = (len(texts.unanswered.vectors), texts.unanswered.tokens.size, self._unanswered.ntotal)
        if len(set(others)) > 1:
            raise BundleError(
                f"faq/ holds {others[0]} vectors and {others[1]} tokens of unanswered questions, unanswered.faiss {others[2]}, expected as "
                "many of each; build the index again"
            )
        self._bm25 = bm25
        self._counts = np.array([len(entry.questions) for entry in self.entries], np.int64)
        self._starts = np.cumsum(self._counts) - self._counts
        self._ngrams: NgramIndex = (
            like._ngrams if like is not None and like.questions == self.questions else NgramIndex(self.questions)
        )
        own = {entry.faq_id: (entry.intent, entry.questions) for entry in self.entries}
        self.calibrated = own if calibrated is None else calibrated
        self._all_calibrated = own == self.calibrated
        flags = [flag for entry in self.entries for flag in _calibrated_questions(entry, self.calibrated)]
        self._is_calibrated = np.array(flags, np.bool_)
        self._whole: dict[str, list[int]] = {}
        for row, question in enumerate(self.questions):
            self._whole.setdefault(_plain(for_index(question)), []).append(row)

    @classmethod
    def fit(
        cls, entries: Sequence[FaqEntry], texts: Texts, intents: Sequence[str],
        *, calibrated: Questions | None = None, like: FaqIndex | None = None,
    ) -> FaqIndex:  # fmt: skip
        """Returns the index of entries.

        Args:
            entries: Published entries.
            texts: Of these entries.
            intents: The label order.
            calibrated: The questions that thresholds were fitted with; those of the entries if not given.
            like: An index that may have the same questions; what was made of them is taken over.
        """
        questions = [question for entry in entries for question in entry.questions]
        bm25 = like._bm25 if like is not None and like.questions == questions else Bm25Index.fit(questions)
        return cls(entries, texts, bm25, intents, calibrated=calibrated, like=like)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The vector of each question. Shape: (questions, hidden)."""
        return self.texts.questions.vectors.astype(np.float32)

    @property
    def dimension(self) -> int:
        """Length of the vectors."""
        return int(self._index.d)

    def cosines(self, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
        """Returns the cosine of pairs of questions. Shape: (n, 2) row numbers to (n,)."""
        left, right = (self.texts.questions.vectors[pairs[:, side]].astype(np.float32) for side in (0, 1))
        return np.asarray((left * right).sum(1), np.float32)

    def cosines_with(self, vector: NDArray[np.float32], rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """Returns the cosine of a vector with every question, or with those of some rows, in [-1, 1]. Shape: (n,)."""
        return np.asarray(np.clip(self.texts.questions.vectors[rows].astype(np.float32) @ vector, -1, 1), np.float32)

    def candidates(
        self, text: str, vector: NDArray[np.float32], reading: Reading, *, top_k: int = _NEAR, itself: bool = True
    ) -> Candidates:
        """Returns the entries near a query by vector or by words, with their features.

        Args:
            text: The query, as typed.
            vector: Its retrieval vector. Shape: (hidden,), float32.
            reading: What else the model makes of it.
            top_k: How many questions each engine brings.
            itself: Whether the query may find itself among the questions; not where a question of the index stands for a customer's.
        """
        copies = self._whole.get(_plain(for_model(text)), [])
        hidden, rows = ([] if itself else copies), self._near(text, vector, top_k)
        entries = np.unique(self.owner[np.setdiff1d(rows, hidden) if hidden else rows])
        if not len(entries):  # neither faiss nor numpy looks for nothing
            return Candidates(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, len(FEATURES)), np.float32))
        counts = self._counts[entries]
        own = np.repeat(self._starts[entries] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
        own = np.setdiff1d(own, hidden) if hidden else own
        best, features = self._compared(text, reading, own)
        if not self._all_calibrated:
            # Scored as if the questions added since were not there: they must not lift an entry over the threshold.
            certain = self._is_calibrated[best[np.searchsorted(entries, self.owner[own])]]
            kept = own[self._is_calibrated[own] | ~certain]
            if len(kept) < len(own):
                features, own = self._compared(text, reading, kept)[1], kept
        margins = _margins(features)
        certain = self._is_calibrated[best]
        if not certain.all():  # nor may a new question or entry, by standing nearer or farther than others
            known = own[self._is_calibrated[own]]
            if len(known):
                before = _margins(self._compared(text, reading, known)[1])
                margins[certain] = before[np.isin(np.unique(self.owner[known]), entries[certain])]
        found = np.empty((len(entries), len(FEATURES)), np.float32)
        found[:, : len(COMPARED)], found[:, len(COMPARED) : -3] = features, margins
        found[:, -3:-1] = self._likest_unanswered(vector, reading.tokens, itself=itself)
        found[:, -1] = np.isin(entries, self.owner[np.intersect1d(copies, own)]) if copies else 0.0
        return Candidates(entries, best, found)

    def _near(self, text: str, vector: NDArray[np.float32], top_k: int) -> NDArray[np.int64]:
        """Rows of the questions nearest by vector, and by words."""
        limit = min(top_k, len(self.questions))
        if limit == 0:
            return np.zeros(0, np.int64)
        bm25 = self._bm25.scores(text)
        near = self._index.search(vector[None, :], limit)[1][0]
        wordy = np.argpartition(-bm25, limit - 1)[:limit]
        return np.concatenate([near[near >= 0], wordy[bm25[wordy] > 0]])

    def _compared(
        self, text: str, reading: Reading, own: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:  # fmt: skip
        """Of each entry the row of its likest question, and the features of COMPARED. `own` are the questions that count, by entry."""
        entries, starts, counts = np.unique(self.owner[own], return_index=True, return_counts=True)
        places = _ranges(counts)
        inner = slice(1, -1) if len(reading.tokens) > 2 else slice(None)  # without the signs of beginning and end
        compared = self.texts.questions.tokens.compare(reading.tokens, own)
        asked = compared.found.mean(axis=0)
        both = asked + compared.back
        covered = np.maximum.reduceat(compared.found, starts, axis=1)
        told = self.texts.answers.compare(reading.tokens, entries).found
        held = np.maximum(covered, told)
        likest = places[np.arange(len(entries)), _filled(both, places).argmax(axis=1)]
        ngram, ngram_support = _best(_filled(self._ngrams.scores(text)[own], places), counts)
        intents = self._intent[entries]
        columns = {
            "ngram": ngram, "ngram_support": ngram_support,
            "intent_agreement": reading.intent[intents], "presence": reading.presence[intents],
            "match": asked[likest], "match_back": compared.back[likest], "both": both[likest],
            "asked": np.maximum.reduceat(asked, starts), "covered": covered.mean(axis=0), "least_covered": covered[inner].min(axis=0),
            "told": told.mean(axis=0), "least_told": told[inner].min(axis=0),
            "held": held.mean(axis=0), "least_held": held[inner].min(axis=0),
        }  # fmt: skip
        return own[likest], np.stack([columns[name] for name in COMPARED], axis=1).astype(np.float32)

    def _likest_unanswered(self, vector: NDArray[np.float32], tokens: NDArray[np.float32], *, itself: bool) -> NDArray[np.float32]:
        """The best cosine with a question that no entry answers, and the best sum of matches there and back. Shape: (2,)."""
        more = 0 if itself else 1  # the query stands among them
        limit = min(_UNANSWERED + more, self._unanswered.ntotal)
        if limit == 0:
            return np.zeros(2, np.float32)
        near = self._unanswered.search(vector[None, :], limit)[1][0]
        cosines = self.texts.unanswered.vectors[near].astype(np.float32) @ vector  # a scan by components knows no cosines
        if not itself:
            other = cosines < ITSELF
            cosines, near = cosines[other], near[other]
        if not len(near):
            return np.zeros(2, np.float32)
        compared = self.texts.unanswered.tokens.compare(tokens, near)
        return np.array([cosines.max(), (compared.found.mean(axis=0) + compared.back).max()], np.float32)

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
                round(float(self.cosines_with(vector, found.questions[place : place + 1])[0]), 4), round(float(confidence[place]), 4),
                bool(self._is_calibrated[found.questions[place]]),
            )
            for place in order
        ]  # fmt: skip

    def save(self, folder: Path) -> None:
        """Writes vectors, tokens, entries.jsonl and the BM25 statistics into the folder, and calibrated.json where it says more."""
        folder.mkdir(parents=True, exist_ok=True)
        faiss.write_index(self._index, str(folder / "index.faiss"))
        faiss.write_index(self._unanswered, str(folder / "unanswered.faiss"))
        lines = (json.dumps(faq_row(entry), ensure_ascii=False) for entry in self.entries)
        (folder / "entries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._bm25.save(folder)
        self.texts.answers.save(folder / "answers.npz")
        for name, texts in (("questions", self.texts.questions), ("unanswered", self.texts.unanswered)):
            texts.tokens.save(folder / f"{name}.npz")
            np.save(folder / f"{name}.npy", texts.vectors)
        if not self._all_calibrated:
            (folder / "calibrated.json").write_text(json.dumps(self.calibrated, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, intents: Sequence[str], *, like: FaqIndex | None = None) -> FaqIndex:
        """Returns the index that `save` wrote; `like` as in `fit`.

        Raises:
            BundleError: A file is damaged or the parts do not fit one another.
        """
        try:
            scans = (faiss.read_index(str(folder / "index.faiss")), faiss.read_index(str(folder / "unanswered.faiss")))
            # Not splitlines: an answer may hold a line separator of Unicode, which JSON leaves as it is.
            lines = (folder / "entries.jsonl").read_text(encoding="utf-8").split("\n")
            entries = [faq_entry(json.loads(line), f"faq/entries.jsonl:{number}") for number, line in enumerate(lines, 1) if line]
            bm25 = Bm25Index.load(folder)
            questions, unanswered = (
                Embedded(np.load(folder / f"{name}.npy", allow_pickle=False), TokenStore.load(folder / f"{name}.npz"))
                for name in ("questions", "unanswered")
            )
            texts = Texts(questions, TokenStore.load(folder / "answers.npz"), unanswered)
            calibrated = _read_calibrated(folder / "calibrated.json")
        except (RuntimeError, ValueError, OSError, KeyError, EOFError, DataError, zipfile.BadZipFile, zlib.error) as error:
            raise BundleError(f"the FAQ index in {folder.name}/ cannot be read ({error}); build the bundle again") from error
        return cls(entries, texts, bm25, intents, scans=scans, calibrated=calibrated, like=like)


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


def answer_text(entry: FaqEntry) -> str:
    """Returns what of an entry's answer is read word by word; of a long one the encoder reads the beginning and the end."""
    return " ".join((entry.answer, *entry.steps))


def _scans_of(texts: Texts, like: FaqIndex | None) -> tuple[faiss.Index, faiss.Index]:
    """Of the questions, and of those that no entry answers; where an index like this one has the same, they are taken over."""
    if like is None:
        return _scan_of(texts.questions.vectors), _scan_of(texts.unanswered.vectors)
    same = np.array_equal(like.texts.questions.vectors, texts.questions.vectors)
    return (
        like._index if same else _scan_of(texts.questions.vectors),
        like._unanswered if like.texts.unanswered is texts.unanswered else _scan_of(texts.unanswered.vectors),
    )


def _scan_of(vectors: NDArray[np.float16]) -> faiss.Index:
    """Returns an index that scans unit vectors: by their principal components, where there are enough of them to know those."""
    size = vectors.shape[1]
    name = f"PCA{_COMPONENTS},SQfp16" if size > _COMPONENTS and len(vectors) >= 10 * _COMPONENTS else "SQfp16"
    index, whole = faiss.index_factory(size, name, faiss.METRIC_INNER_PRODUCT), vectors.astype(np.float32)
    index.train(whole)
    index.add(whole)
    return index


def _plain(text: str) -> str:
    return _NO_LETTER.sub("", text.lower()).translate(_PARTICLES)


def _filled(values: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    """Values at their places, and what no maximum takes where there is none. Shapes: (n,) and (entries, most) to (entries, most)."""
    return np.where(places >= 0, values[places], -np.inf)


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


def _read_calibrated(path: Path) -> Questions | None:
    if not path.exists():
        return None
    raw: dict[str, list[Any]] = json.loads(path.read_text(encoding="utf-8"))
    return {faq_id: (intent, tuple(questions)) for faq_id, (intent, questions) in raw.items()}


def _margins(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns each value less the best of the other rows: positive for the first place only. Shape: (n, m) to (n, m)."""
    if len(features) < 2:
        return np.zeros_like(features)
    second, first = np.partition(features, -2, axis=0)[-2:]
    return np.asarray(np.where(features == first, features - second, features - first), np.float32)
