"""One piece of feedback, as it is stored. Knows nothing of databases, so that it costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

NO_ENTRY = "none"  # as a faq_id: no entry of the knowledge base answers the message

Source = Literal["customer", "agent"]


@dataclass(frozen=True, slots=True)
class Feedback:
    """What one side says of one answer. All texts are cleaned, and personal data in them is masked.

    Attributes:
        request_id: The answer's; with `source` it names the record.
        source: Who says it.
        conversation_id: Where the answer was given.
        turn: Which of the customer's messages it answered, from 1.
        bundle: What answered.
        text: The message.
        history: The turns before it, oldest first, as (speaker, text); empty where they were forgotten.
        predicted_intents: What the bundle read in it.
        predicted_emotion: Likewise.
        predicted_faq_id: The entry that was sent, if any.
        decision: What was decided.
        decision_reason: Why.
        helpful: Whether the answer helped.
        resolved: Whether the customer's matter is settled.
        intents: The right ones, the main one first; empty if nobody said.
        emotion: The right one.
        faq_id: The right entry, or NO_ENTRY.
        answer: What the agent finally answered.
        comment: Anything else.
    """

    request_id: str
    source: Source
    conversation_id: str
    turn: int
    bundle: str
    text: str
    history: tuple[tuple[str, str], ...]
    predicted_intents: tuple[str, ...]
    predicted_emotion: str
    predicted_faq_id: str | None
    decision: str
    decision_reason: str
    helpful: bool | None = None
    resolved: bool | None = None
    intents: tuple[str, ...] = ()
    emotion: str | None = None
    faq_id: str | None = None
    answer: str | None = None
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """That a record is on the disk: when it was first written, and when last."""

    created: datetime
    updated: datetime

    @property
    def replaced(self) -> bool:
        """Whether it took the place of an earlier one."""
        return self.updated > self.created
