"""What the tests of the models room share: light hypothesis settings and analyses made by hand."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from numpy.typing import NDArray

from data.types import FaqEntry
from models.analysis import Analysis, EmotionScore, Entity, IntentScore
from models.entities import find_entities
from models.interaction import Embedded, TokenStore
from models.manifest import BundleManifest, file_hashes, manifest_seal
from models.matching import SearchHit
from models.retrieval import FaqIndex, Reading, Texts, answer_text

EMOTIONS = ("neutral", "satisfied", "confused", "anxious", "disappointed", "angry")

# Reproducible in CI; no deadline, because jieba and OpenCC load their dictionaries on the first call.
light = settings(deadline=None, max_examples=60, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])


def unit(text: str, *, size: int = 16) -> NDArray[np.float32]:
    """Returns a unit vector that hangs on the text alone; two texts are far from each other. Shape: (size,), float32."""
    drawn = np.random.default_rng(zlib.crc32(text.encode())).normal(size=size)
    return np.asarray(drawn / np.linalg.norm(drawn), np.float32)


def units(texts: Iterable[str], *, size: int = 16) -> NDArray[np.float32]:
    """Returns the unit vectors of several texts. Shape: (n, size), float32."""
    return np.stack([unit(text, size=size) for text in texts])


def analysis(
    text: str = "在说什么", *, intents: Sequence[str] = ("logistics.carrier",), emotion: str = "neutral",
    scores: Mapping[str, float] | None = None, out_of_scope: float = 0.0, hits: Sequence[SearchHit] = (), kind: str = "text",
    entities: Sequence[Entity] | None = None, first: str | None = None, like: str | None = None,
) -> Analysis:  # fmt: skip
    """Returns an analysis as an analyzer might give it.

    Args:
        text: The message; its entities are found in it unless they are given.
        intents: Those present; the first leads the ranking unless `first` does.
        emotion: The likeliest one.
        scores: Probabilities of emotions; all of it on `emotion` if not given.
        out_of_scope: Probability.
        hits: FAQ entries, best first.
        kind: Of the message.
        entities: Instead of those found.
        first: The intent that leads the ranking.
        like: The message has the vector of this text instead of its own.
    """
    felt = dict.fromkeys(EMOTIONS, 0.0) | dict(scores if scores is not None else {emotion: 1.0})
    leading = [first] if first else []
    ranked = dict.fromkeys([*leading, *intents])
    return Analysis(
        text=text, kind=kind, language="zh-Hans", ranking=tuple(IntentScore(code, code, 0.9 / (1 + place)) for place, code in enumerate(ranked)),
        intents=tuple(intents), out_of_scope=out_of_scope, emotion=EmotionScore(emotion, emotion, felt[emotion], felt),
        entities=find_entities(text) if entities is None else tuple(entities), hits=tuple(hits), vector=unit(like or text),
    )  # fmt: skip


def hit(faq_id: str, confidence: float) -> SearchHit:
    """Returns a hit with the confidence wanted."""
    return SearchHit(faq_id, f"question of {faq_id}", 0.5, confidence)


def tokens_of(text: str, *, size: int = 16) -> NDArray[np.float32]:
    """Returns one unit vector a character, equal ones for equal characters. Shape: (characters, size), float32."""
    return units(text or " ", size=size)


def embedded(texts: Sequence[str], *, size: int = 16) -> Embedded:
    """Returns texts without an encoder: a vector each that hangs on the whole text alone, and a token a character."""
    vectors = units(texts, size=size) if texts else np.zeros((0, size), np.float32)
    return Embedded(vectors.astype(np.float16), TokenStore.of([tokens_of(text, size=size) for text in texts]))


def texts_of(entries: Sequence[FaqEntry], unanswered: Sequence[str] = (), *, size: int = 16) -> Texts:
    """Returns the texts of entries, and of questions that none of them answers, without an encoder."""
    questions = [question for entry in entries for question in entry.questions]
    answers = TokenStore.of([tokens_of(answer_text(entry), size=size) for entry in entries])
    return Texts(embedded(questions, size=size), answers, embedded(unanswered, size=size))


def reading(
    text: str, intents: NDArray[np.float32], presence: NDArray[np.float32] | None = None, *, out_of_scope: float = 0.0
) -> Reading:
    """Returns a reading of a text with a token a character; `presence` is as `intents` if not given."""
    return Reading(intents, intents if presence is None else presence, out_of_scope, tokens_of(text))


def index_of(entries: Sequence[FaqEntry], intents: Sequence[str], *, unanswered: Sequence[str] = (), size: int = 16) -> FaqIndex:
    """Returns an index whose vectors mean nothing and whose tokens are characters, without an encoder."""
    return FaqIndex.fit(entries, texts_of(entries, unanswered, size=size), intents)


def reseal(root: Path, **changes: object) -> None:
    """Makes a bundle whole again after a test has changed its files or its manifest's fields: only the sense is wrong then."""
    raw = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    manifest = BundleManifest(**raw | {"files": file_hashes(root)} | changes)
    text = json.dumps(asdict(manifest) | {"seal": manifest_seal(manifest)}, ensure_ascii=False)
    (root / "manifest.json").write_text(text, encoding="utf-8")
