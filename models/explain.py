"""Why a message was read and decided as it was: the words that counted, the FAQ candidates, thresholds, and the rules' path."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import InputError
from data.normalise import for_model
from data.types import Speaker, Utterance
from models.analysis import Analysis, Conversation, Decision
from models.analyzer import Analyzer, Request, check_text
from models.bm25 import segments
from models.bundle import Bundle
from models.inputs import context_text, message_text
from models.matching import FEATURES
from models.policy import Circumstances, Knowledge, advance, decide, is_usable
from models.policy_path import Step, decide_with_path
from models.retrieval import Reading

MAX_WORDS = 16  # words left out one by one; in a longer message neighbours go together, so that a pass each stays affordable
MAX_REPLAYED = 10  # the customer's latest messages that are decided anew to rebuild a state
_AT_ONCE = 4  # words between which other messages may be answered
_CANDIDATES = 3
_NEIGHBOURS = 5
_WORD = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class WordInfluence:
    """A word, text[start:end], and by how much the main intent's confidence falls without it, in [-1, 1]."""

    text: str
    start: int
    end: int
    influence: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An indexed question near the message. `score` is their cosine, in [-1, 1]."""

    faq_id: str
    question: str
    intent: str
    score: float


@dataclass(frozen=True, slots=True)
class FeatureShare:
    """A feature of a candidate, and what it adds to the log-odds of its confidence."""

    name: str
    value: float
    contribution: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """An entry that may answer: its confidence is 1 / (1 + exp(-(bias + the features' contributions))).

    Attributes:
        faq_id: The entry.
        question: Its own question.
        matched_question: Its indexed question nearest to the message.
        score: Their cosine, in [-1, 1].
        confidence: Probability that the entry answers, in [0, 1].
        usable: Whether it may be sent today and in this channel.
        bias: Log-odds before any feature.
        features: See FeatureShare.
    """

    faq_id: str
    question: str
    matched_question: str
    score: float
    confidence: float
    usable: bool
    bias: float
    features: tuple[FeatureShare, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A threshold beside the value that was compared with it; without a value (no entry, no earlier message) it stayed unused."""

    name: str
    threshold: float
    value: float | None
    reached: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of it. `passes` counts the encoder's passes that it took."""

    analysis: Analysis
    decision: Decision
    path: tuple[Step, ...]
    words: tuple[WordInfluence, ...]
    neighbours: tuple[Neighbour, ...]
    candidates: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]
    passes: int


def explain(
    analyzer: Analyzer, knowledge: Knowledge, request: Request, conversation: Conversation, circumstances: Circumstances
) -> Explanation:
    """Returns why a message gets the decision that it gets.

    It takes one encoder pass, one for each part if several ask for something, and one for each of up to MAX_WORDS words.

    Raises:
        InputError: The text is empty or cannot be read.
    """
    *_, whole = explaining(analyzer, knowledge, request, conversation, circumstances)
    return whole


def explaining(
    analyzer: Analyzer, knowledge: Knowledge, request: Request, conversation: Conversation, circumstances: Circumstances
) -> Iterator[Explanation]:
    """Yields the explanation at first without words, then with a few more each time, so that other work may come between.

    Raises:
        InputError: The text is empty or cannot be read.
    """
    bundle, text = analyzer.bundle, check_text(request.text)
    encoded = bundle.encoder.encode([text], [request.history])
    (analysis,) = analyzer.with_wants(analyzer.from_encoded([text], encoded), [request.history])
    reading = analyzer.readings([text], encoded)[0]
    decision, path = decide_with_path(analysis, conversation, circumstances, knowledge)
    searched = "faq" not in analysis.degraded
    found = Explanation(
        analysis, decision, path, (),
        _neighbours(bundle, analysis.vector) if searched else (),
        _candidates(bundle, text, analysis.vector, reading, circumstances) if searched else (),
        compared(analysis, reading, conversation, knowledge),
        1 + len(analyzer.parts(analysis)),
    )  # fmt: skip
    yield found
    context = context_text(text, request.history, bundle.encoder.input_format)  # a shorter message must not suddenly get one
    spans = _spans(analysis.text) if analysis.kind == "text" else []
    for first in range(0, len(spans), _AT_ONCE):
        more = _influences(analyzer, analysis, context, spans[first : first + _AT_ONCE])
        found = replace(found, words=found.words + more, passes=found.passes + len(more))
        yield found


def replay(
    analyzer: Analyzer, knowledge: Knowledge, history: Sequence[Utterance], circumstances: Circumstances
) -> tuple[Conversation, int]:
    """Returns the state after a dialogue, as if the bot had had it, and how many encoder passes that took.

    Only the customer's latest MAX_REPLAYED messages are decided anew; what the turns say stands as given.
    """
    customers = [place for place, turn in enumerate(history) if turn.speaker is Speaker.USER][-MAX_REPLAYED:]
    state, since, passes = Conversation(), 0, 0
    for place in customers:
        try:
            analysis = analyzer.analyze([Request(history[place].text, tuple(history[since:place]))])[0]
        except InputError:  # an empty turn of a log says nothing
            continue
        passes += 1 + len(analyzer.parts(analysis))
        state = advance(state, analysis, decide(analysis, state, circumstances, knowledge))
        if state.heard == 0:  # handed over: what was said until then, the words of handing over included, is read no more
            replied = history[place + 1 : place + 2]
            since = place + 1 + (bool(replied) and replied[0].speaker is Speaker.AGENT)
    return state, passes


def compared(
    analysis: Analysis, reading: Reading, conversation: Conversation, knowledge: Knowledge
) -> tuple[Comparison, ...]:  # fmt: skip
    """Returns every threshold beside the value of this message."""
    scores, confidences = analysis.emotion.scores, [intent.confidence for intent in analysis.ranking]
    anger, best = scores.get("angry"), max((hit.confidence for hit in analysis.hits), default=None)
    last = conversation.past[-1] if conversation.past else None
    values = {
        "faq_direct": best, "faq_suggest": best, "intent": confidences[0],
        "intent_margin": confidences[0] - confidences[1] if len(confidences) > 1 else None,
        "presence": float(reading.presence.max()), "out_of_scope": analysis.out_of_scope, "anger_alert": anger,
        "anger_handoff": anger, "anxiety_alert": scores.get("anxious"),
        "repeat": None if last is None else float(np.dot(np.array(last.vector, np.float32), analysis.vector)),
    }  # fmt: skip
    found = []
    for name in knowledge.thresholds.__slots__:
        limit, value = float(getattr(knowledge.thresholds, name)), values.get(name)
        shown = None if value is None else round(value, 4)
        found.append(Comparison(name, round(limit, 4), shown, value is not None and value >= limit))
    return tuple(found)


def _influences(
    analyzer: Analyzer, analysis: Analysis, context: str, spans: Sequence[tuple[int, int]]
) -> tuple[WordInfluence, ...]:  # fmt: skip
    """The fall of the main intent's confidence when each stretch is left out; masked words are left out as they stand."""
    encoder, shown = analyzer.bundle.encoder, analysis.text
    texts = [shown[:start] + shown[end:] for start, end in spans]
    shorter = [message_text(text, encoder.input_format) for text in texts]
    readings = analyzer.readings(texts, encoder.encode_prepared([(message, context) for message in shorter]))
    main = analyzer.bundle.labels.intents.index(analysis.intent.name)
    return tuple(
        WordInfluence(shown[start:end], start, end, round(analysis.intent.confidence - float(reading.intent[main]), 4))
        for (start, end), reading in zip(spans, readings, strict=True)
    )


def _spans(text: str) -> list[tuple[int, int]]:
    """Where the words are, at most MAX_WORDS stretches; punctuation and spaces are nobody's."""
    simple = for_model(text)
    spans, start = [], 0
    for word in segments(simple if len(simple) == len(text) else text):
        if _WORD.search(word):
            spans.append((start, start + len(word)))
        start += len(word)
    together = math.ceil(len(spans) / MAX_WORDS) or 1
    groups = [spans[first : first + together] for first in range(0, len(spans), together)]
    return [(group[0][0], group[-1][1]) for group in groups]


def _neighbours(bundle: Bundle, vector: NDArray[np.float32]) -> tuple[Neighbour, ...]:
    faq = bundle.faq
    cosines = faq.cosines_with(vector)
    found = []
    for row in np.argsort(-cosines, kind="stable")[:_NEIGHBOURS]:
        entry = faq.entries[faq.owner[row]]
        found.append(Neighbour(entry.faq_id, faq.questions[row], entry.intent, round(float(cosines[row]), 4)))
    return tuple(found)


def _candidates(
    bundle: Bundle, text: str, vector: NDArray[np.float32], reading: Reading, circumstances: Circumstances
) -> tuple[Candidate, ...]:
    """The likeliest entries, by the same features and weights as `FaqIndex.search`."""
    faq, fusion = bundle.faq, bundle.calibration.fusion
    found = faq.candidates(text, vector, reading)
    confidence = fusion.probability(found.features)
    shown = []
    for place in np.argsort(-confidence, kind="stable")[:_CANDIDATES]:
        entry, row = faq.entries[found.entries[place]], found.features[place]
        shares = tuple(
            FeatureShare(name, round(float(value), 4), round(float(value) * weight, 4))
            for name, value, weight in zip(FEATURES, row, fusion.weights, strict=True)
        )
        shown.append(
            Candidate(
                entry.faq_id, entry.question, faq.questions[found.questions[place]],
                round(float(faq.cosines_with(vector, found.questions[place : place + 1])[0]), 4),
                round(float(confidence[place]), 4), is_usable(entry, circumstances), round(fusion.bias, 4), shares,
            )
        )  # fmt: skip
    return tuple(shown)
