"""The frozen vocabulary of the project: utterances, dialogues, FAQ entries and labels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum

from data.errors import LabelError


class Speaker(StrEnum):
    """Who said an utterance."""

    USER = "user"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One message of a dialogue.

    Attributes:
        speaker: Who typed it.
        text: The words as typed (PII masked once it has passed `prepare`).
        intents: One to three intent codes, the main one first; empty if unlabelled or an agent's turn.
        emotion: Emotion code, or None if unlabelled.
        emotion_votes: The codes that several readers gave it, one each; empty if nobody but the author read it.
        tags: Slice names such as `contextual` or `traditional`, for evaluation by slice.
    """

    speaker: Speaker
    text: str
    intents: tuple[str, ...] = ()
    emotion: str | None = None
    tags: tuple[str, ...] = ()
    emotion_votes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A conversation in order.

    Attributes:
        dialogue_id: Unique within its file.
        turns: The utterances in order.
        category: Product category, for slices; may be empty.
        channel: Where it was typed; may be empty.
        split: A split fixed by the author (`train`, `dev`, `test`), or None to let the splitter choose.
        source: File and row it came from, for messages.
    """

    dialogue_id: str
    turns: tuple[Utterance, ...]
    category: str = ""
    channel: str = ""
    split: str | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class FaqEntry:
    """One entry of the knowledge base. Only `question` and `similar_questions` are ever indexed."""

    faq_id: str
    question: str
    similar_questions: tuple[str, ...]
    answer: str
    intent: str
    steps: tuple[str, ...] = ()
    facets: dict[str, str] = field(default_factory=dict)
    related: tuple[str, ...] = ()
    required_slots: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    valid_from: str | None = None
    valid_to: str | None = None
    status: str = "published"

    @property
    def questions(self) -> tuple[str, ...]:
        """The standard question followed by the similar ones."""
        return (self.question, *self.similar_questions)


@dataclass(frozen=True, slots=True)
class LabelSet:
    """Ordered labels: position is the index in every model output."""

    intents: tuple[str, ...]
    emotions: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """A hash that changes when a label is added, removed or moved."""
        text = json.dumps([self.intents, self.emotions], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def check(self, utterance: Utterance, *, where: str) -> None:
        """Raises LabelError if the utterance carries a label that is not in this set."""
        for intent in utterance.intents:
            if intent not in self.intents:
                raise LabelError(
                    f"intent {intent!r} at {where} is not in the domain pack ({len(self.intents)} intents); "
                    "add it to configs/domain/intents.yaml or map it"
                )
        for emotion in filter(None, (utterance.emotion, *utterance.emotion_votes)):
            if emotion not in self.emotions:
                raise LabelError(f"emotion {emotion!r} at {where} is not one of {', '.join(self.emotions)}; correct the row")
