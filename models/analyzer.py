"""One path from text to analysis, for online, batch and evaluation. Loads onnxruntime, tokenizers, faiss and numpy only."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

from data.errors import InputError, InputTooLongError
from data.masking import mask_pii
from data.normalise import clean, is_traditional
from data.types import Utterance
from models.analysis import Analysis, EmotionScore, IntentScore
from models.bundle import Bundle
from models.calibration import sigmoid, softmax
from models.encoder import Encoded
from models.entities import find_entities
from models.matching import SearchHit
from models.retrieval import Reading
from models.wants import parts_of

logger = logging.getLogger(__name__)

MAX_CHARACTERS = 2000
_MAX_CLEANED = 2 * MAX_CHARACTERS  # one ligature may become 18 characters, and 36,000 would keep a worker busy for seconds
_MOST_INTENTS = 3  # of one message
_SURE_OF_PART = 0.9  # confidence of an entry for a part, which lacks what the rest says: 价保补的钱 我是分12期的
_SURE_OF_NAMED = 0.8  # the same where the whole message shows the part's intent, too
_URL = re.compile(r"https?://\S+|www\.\S+", re.IGNORECASE)
_IMAGE = re.compile(r"[\[【](?:图片|照片|视频|截图)[^\]】]{0,20}[\]】]")
_CARD = re.compile(r"[\[【](?:商品卡片|商品链接|商品|订单卡片|卡片)[^\]】]*[\]】]")
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Request:
    """A message to analyse, with the turns before it, oldest first."""

    text: str
    history: tuple[Utterance, ...] = ()


class Analyzer:
    """Reads messages with one bundle. A text's scores never depend on its neighbours in a call."""

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self._calibration = bundle.calibration
        self._zone = ZoneInfo(bundle.pack.policy.opening_hours["timezone"])  # 明天 is the shop's, wherever the machine stands
        intents = {info.code: info.title for info in bundle.pack.intents}
        self._titles = intents | {info.code: info.title for info in bundle.pack.emotions}

    def analyze(self, requests: Sequence[Request], *, top_k: int = 5) -> list[Analysis]:
        """Returns the analysis of each message, in order: one encoder pass a message, and one for the parts of those that ask for several things.

        Args:
            requests: The messages.
            top_k: FAQ hits for each; 0 leaves the knowledge base alone, where only scores are wanted.

        Raises:
            InputError: A text is empty or holds nothing that can be read.
            InputTooLongError: A text is longer than MAX_CHARACTERS.
        """
        texts = [check_text(request.text) for request in requests]
        encoded = self.bundle.encoder.encode(texts, [request.history for request in requests])
        analyses = self.from_encoded(texts, encoded, top_k=top_k)
        return self.with_wants(analyses, [request.history for request in requests]) if top_k else analyses

    def from_encoded(self, texts: Sequence[str], encoded: Encoded, *, top_k: int = 5) -> list[Analysis]:
        """Returns the analysis of texts whose pass was already made (evaluation reuses it), with `top_k` FAQ hits each."""
        emotions = softmax(encoded.emotion, self._calibration.emotion_temperature)
        return [
            self._one(text, reading, emotions[row], encoded.vector[row], top_k)
            for row, (text, reading) in enumerate(zip(texts, self.readings(texts, encoded), strict=True))
        ]

    def with_wants(self, analyses: Sequence[Analysis], histories: Sequence[Sequence[Utterance]]) -> list[Analysis]:
        """Returns the analyses with the wants of those messages that have several, each part read by itself after the same turns."""
        asked = [(number, part) for number, analysis in enumerate(analyses) for part in self.parts(analysis)]
        if not asked:
            return list(analyses)
        texts = [part for _, part in asked]
        encoded = self.bundle.encoder.encode(texts, [histories[number] for number, _ in asked])
        wants: dict[int, dict[str, SearchHit]] = {}
        for (number, _), part in zip(asked, self.from_encoded(texts, encoded, top_k=1), strict=True):
            hit = part.hits[0] if part.hits else None
            needed = _SURE_OF_NAMED if part.intent.name in analyses[number].intents else _SURE_OF_PART
            if hit is not None and hit.confidence >= needed and part.intent.name == self.bundle.faq.by_id[hit.faq_id].intent:
                wants.setdefault(number, {}).setdefault(part.intent.name, hit)
        return [
            replace(analysis, intents=tuple(dict.fromkeys([*analysis.intents, *own]))[:_MOST_INTENTS], wants=tuple(own.values()))
            if len(own := wants.get(number, {})) > 1 else analysis
            for number, analysis in enumerate(analyses)
        ]  # fmt: skip

    def parts(self, analysis: Analysis) -> tuple[str, ...]:
        """Returns the parts of a message that `with_wants` reads by themselves."""
        return parts_of(analysis.text) if analysis.kind == "text" else ()

    def readings(self, texts: Sequence[str], encoded: Encoded) -> list[Reading]:
        """Returns the calibrated probabilities of intents and of being out of scope for each pass."""
        calibration = self._calibration
        intents = calibration.intent_probabilities(encoded.intent)
        slope, intercept = calibration.presence_scale
        presence = sigmoid(encoded.presence * slope + intercept)
        rejected = calibration.rejector.probability(encoded, texts)
        return [Reading(intents[row], presence[row], float(rejected[row]), encoded.tokens[row]) for row in range(len(rejected))]

    def _one(self, text: str, reading: Reading, emotions: np.ndarray, vector: np.ndarray, top_k: int) -> Analysis:
        intents, presence, out_of_scope = reading.intent, reading.presence, reading.out_of_scope
        labels = self.bundle.labels
        order = np.argsort(-intents, kind="stable")
        confidences = np.round(intents[order].astype(np.float64), 4).tolist()
        ranking = tuple(
            IntentScore(code, self._titles[code], confidence)
            for code, confidence in zip([labels.intents[index] for index in order], confidences, strict=True)
        )
        present = [
            index for index in np.argsort(-presence, kind="stable") if presence[index] >= self._calibration.thresholds.presence
        ]
        codes = [labels.intents[index] for index in present[:_MOST_INTENTS]]
        top = int(emotions.argmax())
        scores = {name: round(float(value), 4) for name, value in zip(labels.emotions, emotions, strict=True)}
        label = labels.emotions[top]
        degraded: list[str] = []
        hits = self._search(text, vector, reading, degraded, top_k)
        return Analysis(
            text=mask_pii(text), kind=message_kind(text), language=_language(text), ranking=ranking,
            intents=tuple(codes) or (ranking[0].name,), out_of_scope=round(out_of_scope, 4),
            emotion=EmotionScore(label, self._titles[label], scores[label], scores),
            entities=find_entities(mask_pii(text), today=datetime.now(self._zone).date()), hits=hits, vector=vector, degraded=tuple(degraded),
        )  # fmt: skip

    def _search(self, text: str, vector: np.ndarray, reading: Reading, degraded: list[str], top_k: int) -> tuple[SearchHit, ...]:
        if top_k == 0:
            return ()
        try:
            return tuple(self.bundle.faq.search(text, vector, reading, self._calibration.fusion, top_k=top_k))
        except Exception as error:  # the scores are still good without the knowledge base, and say so
            # Its place without its words: they may hold the customer's.
            logger.error("FAQ search failed", exc_info=RuntimeError(type(error).__name__).with_traceback(error.__traceback__))
            degraded.append("faq")
            return ()


def check_text(text: object) -> str:
    """Returns the cleaned text.

    Raises:
        InputError: It is not a text, or nothing is left of it.
        InputTooLongError: It is longer than MAX_CHARACTERS.
    """
    if not isinstance(text, str):
        raise InputError(f"text is {type(text).__name__}, expected a string; send the customer's words")
    if len(text) > MAX_CHARACTERS:
        raise InputTooLongError(f"text has {len(text)} characters, expected at most {MAX_CHARACTERS}; shorten or split it")
    cleaned = clean(text)
    if len(cleaned) > _MAX_CLEANED:
        raise InputTooLongError(
            f"text has {len(cleaned)} characters once its ligatures are written out, expected at most {_MAX_CLEANED}; shorten or split it"
        )
    if not cleaned:
        raise InputError("text is empty once spaces and control characters are gone; send at least one character")
    return cleaned


def message_kind(text: str) -> str:
    """Returns `image`, `card`, `link` or `emoji` for a message that holds nothing else, and `text` for the rest."""
    for kind, pattern in (("image", _IMAGE), ("card", _CARD), ("link", _URL)):
        if pattern.search(text) and not _WORD.search(pattern.sub("", text)):
            return kind
    bare = re.sub(r"\[[一-鿿A-Za-z]{1,4}\]", "", text)  # [流泪] is an emoji that a client spelt out
    if bare != text and not _WORD.search(bare):
        return "emoji"
    if not _WORD.search(text) and not set(text) <= set("?？!！.。…~ "):
        return "emoji"
    return "text"


def _language(text: str) -> str:
    if is_traditional(text):
        return "zh-Hant"
    return "zh-Hans" if any("㐀" <= char <= "鿿" for char in text) else "und"
