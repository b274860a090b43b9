"""What the analyzer finds in a message, and what is decided about it: frozen types only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from data.types import Utterance
from models.matching import SearchHit


@dataclass(frozen=True, slots=True)
class IntentScore:
    """An intent with its calibrated probability in [0, 1]."""

    name: str
    title: str
    confidence: float


@dataclass(frozen=True, slots=True)
class EmotionScore:
    """The likeliest emotion, its calibrated probability, and those of all emotions."""

    label: str
    title: str
    confidence: float
    scores: dict[str, float]


@dataclass(frozen=True, slots=True)
class Entity:
    """A stretch of the message that names something: `text[start:end]`; a sensitive value is masked."""

    entity: str
    value: str
    start: int
    end: int
    sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Analysis:
    """Everything that one encoder pass and the rules say about a message, before any decision.

    Attributes:
        text: The message, cleaned and masked; spans of entities count in it.
        kind: `text`, `emoji`, `image`, `card` or `link`.
        language: `zh-Hans`, `zh-Hant`, or `und` when there is no Chinese.
        ranking: All intents, likeliest first; probabilities sum to 1.
        intents: Codes present above their own threshold, likeliest first; the first of the ranking if none is; then those of `wants`.
        out_of_scope: Calibrated probability, in [0, 1].
        emotion: See EmotionScore.
        entities: In order of place.
        hits: FAQ entries, best first.
        wants: The sure entry of each part of a message that asks for different things, in their order; else empty.
        vector: Retrieval vector. Shape: (hidden,), float32.
        degraded: Names of parts that failed and were left out.
    """

    text: str
    kind: str
    language: str
    ranking: tuple[IntentScore, ...]
    intents: tuple[str, ...]
    out_of_scope: float
    emotion: EmotionScore
    entities: tuple[Entity, ...]
    hits: tuple[SearchHit, ...]
    vector: NDArray[np.float32] = field(compare=False, repr=False)
    degraded: tuple[str, ...] = ()
    wants: tuple[SearchHit, ...] = ()

    @property
    def intent(self) -> IntentScore:
        """The likeliest intent."""
        return self.ranking[0]


@dataclass(frozen=True, slots=True)
class Customer:
    """What the shop knows of the customer; None where it did not say."""

    tier: str | None = None
    orders: int | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """What the shop knows of the order; risk in [0, 1]."""

    status: str | None = None
    risk: float | None = None


@dataclass(frozen=True, slots=True)
class OpenSlots:
    """A clarification under way."""

    intent: str
    wanted: tuple[str, ...]
    filled: dict[str, str]

    @property
    def missing(self) -> tuple[str, ...]:
        """Slots not yet filled, in the order they are asked."""
        return tuple(name for name in self.wanted if name not in self.filled)


@dataclass(frozen=True, slots=True)
class PastMessage:
    """What is remembered of a customer's message, to notice repetition and rising emotion."""

    intent: str
    emotion: str
    vector: tuple[float, ...]
    answered: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """The state of a conversation before a message.

    Attributes:
        conversation_id: Its name.
        turns: The utterances so far, masked, oldest first.
        past: The customer's messages, oldest first.
        misses: Messages in a row that got no answer.
        open_slots: The clarification under way, if any.
        handed_off: Whether a person has taken over.
        tried: FAQ entries sent so far.
        heard: How many of the newest turns the encoder may read; None for all. A handoff begins it anew, so that
            who is given back to the bot and says 在吗 does not ask for a person again.
        added: Names of the newest turns that were added beside the bot, so that a retry adds none of them again.
    """

    conversation_id: str = ""
    turns: tuple[Utterance, ...] = ()
    past: tuple[PastMessage, ...] = ()
    misses: int = 0
    open_slots: OpenSlots | None = None
    handed_off: bool = False
    tried: tuple[str, ...] = ()
    heard: int | None = None
    added: tuple[str, ...] = ()

    @property
    def context(self) -> tuple[Utterance, ...]:
        """The turns that the encoder may read, oldest first."""
        return self.turns if self.heard is None else self.turns[max(0, len(self.turns) - self.heard) :]

    @property
    def turn(self) -> int:
        """Number of the customer's messages so far."""
        return len(self.past)


@dataclass(frozen=True, slots=True)
class PriorityFactor:
    """One reason for a priority, with its share of the score in points."""

    name: str
    value: str
    points: float


@dataclass(frozen=True, slots=True)
class PriorityScore:
    """See models/priority.py. score in [0, 100]."""

    score: int
    band: str
    urgency: str
    business_type: str
    factors: tuple[PriorityFactor, ...]
    inputs_missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EmotionAlert:
    """Whether someone should look at the customer's mood, why, and what to say first."""

    alert: bool
    reason: str | None
    script_id: str | None
    script: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """An FAQ answer that is sent."""

    text: str
    steps: tuple[str, ...]
    faq_id: str
    matched_question: str
    confidence: float
    score: float


@dataclass(frozen=True, slots=True)
class Handoff:
    """Why a person takes over, and what that person should know."""

    reason: str
    summary: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do about a message.

    Attributes:
        decision: answer, suggest, clarify, handoff, fallback, or silent after a handoff.
        reason: Code of the rule that decided.
        reply: The text to send; empty when silent.
        answer: The FAQ answer in it, if any.
        second_answer: The answer to another want of the message, if it is there as well.
        suggestions: Entries offered.
        related: Entries that ride along with the answer.
        missing_slots: Slots still to be filled, the one asked for first.
        handoff: Set when a person takes over.
        emotion: The alert.
        priority: The score.
        repetition: How many times in a row the customer said this, 1 for the first time.
        open_slots: The clarification to remember.
        miss: Whether the message got nothing that helps.
    """

    decision: str
    reason: str
    reply: str
    emotion: EmotionAlert
    priority: PriorityScore
    repetition: int
    answer: Answer | None = None
    second_answer: Answer | None = None
    suggestions: tuple[SearchHit, ...] = ()
    related: tuple[tuple[str, str], ...] = ()
    missing_slots: tuple[str, ...] = ()
    handoff: Handoff | None = None
    open_slots: OpenSlots | None = None
    miss: bool = False
