"""What is remembered between messages, and what a store of it must do. State is JSON."""

from __future__ import annotations

import base64
import json
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

from data.types import Speaker, Utterance
from models.analysis import Conversation, OpenSlots, PastMessage

if TYPE_CHECKING:
    from models.bundle import Bundle

MAX_REMEMBERED = 30  # turns, and messages, that a conversation keeps
MAX_ANSWERS = 100  # answers, and names of turns, kept for retries: the newest of a conversation


@dataclass(frozen=True, slots=True)
class Remembered:
    """A conversation as it was read.

    Attributes:
        conversation: Its state; an empty one when nothing is remembered.
        turn: The customer's messages so far. Unlike the state, it never stops counting.
        version: What `save` must still find; 0 when nothing is remembered. Each save draws a new one: were it counted, a
            conversation deleted and begun anew could pass for the old one.
        space: Names the model whose vectors the state holds.
        updated: When it was last saved, in seconds since 1970; 0 when nothing is remembered.
    """

    conversation: Conversation
    turn: int = 0
    version: int = 0
    space: str = ""
    updated: float = 0.0


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An answer of /chat, to be found again.

    Attributes:
        request_id: Names the call that was answered.
        body: The answer as JSON, personal data masked.
        message_id: The client's name of the message, if it gave one: a retry gets `body` again.
    """

    request_id: str
    body: str
    message_id: str | None = None


class ConversationStore(Protocol):
    """What a store of conversations must do. Each method raises StateError, within seconds, where the store cannot be used.

    One thread at a time may use it.
    """

    def check(self) -> None:
        """Raises StateError unless the store can be used."""

    def get(self, conversation_id: str) -> Remembered:
        """Returns what is remembered of a conversation that has not expired."""

    def answered(self, conversation_id: str, message_id: str) -> str | None:
        """Returns the stored answer to a message, or None."""

    def answer_to(self, request_id: str) -> str | None:
        """Returns the answer (a ChatAnswer as JSON) that a call of /chat was given, or None where there is none any more."""

    def save(self, before: Remembered, after: Remembered, answer: StoredAnswer | None = None) -> bool:
        """Writes state and answer together, if the stored version is still `before.version`; returns whether it was."""

    def together(self) -> AbstractContextManager[None]:
        """Writes the saves within in one go, where that is cheaper."""

    def delete(self, conversation_id: str) -> bool:
        """Deletes state and answers of a conversation; returns whether there was something."""

    def purge(self) -> None:
        """Deletes what has expired; nothing to do where the store does so by itself."""

    def tidy(self) -> None:
        """Does what no message should wait for. Called every second or so, from another thread than the rest; raises nothing."""

    def close(self) -> None:
        """Lets go of files and connections."""


def new_version() -> int:
    """Returns a version that no other save has; never 0, and it fits SQLite's integers."""
    return secrets.randbits(62) | 1


def to_json(conversation: Conversation) -> str:
    """Returns a state as JSON, the newest MAX_REMEMBERED turns and messages of it; vectors in base64, exact."""
    slots = conversation.open_slots
    past = conversation.past[-MAX_REMEMBERED:]
    return json.dumps(
        {
            "turns": [[turn.speaker.value, turn.text] for turn in conversation.turns[-MAX_REMEMBERED:]],
            "past": [[message.intent, message.emotion, _pack(message.vector), message.answered] for message in past],
            "misses": conversation.misses,
            "open_slots": None if slots is None else {"intent": slots.intent, "wanted": slots.wanted, "filled": slots.filled},
            "handed_off": conversation.handed_off,
            "tried": conversation.tried,
            "heard": conversation.heard,
            "added": conversation.added[-MAX_ANSWERS:],
        },
        ensure_ascii=False,
    )


def from_json(text: str, conversation_id: str) -> Conversation:
    """Returns the state that `to_json` wrote.

    Raises:
        ValueError, KeyError, TypeError: The text is something else.
    """
    raw = json.loads(text)
    slots = raw["open_slots"]
    return Conversation(
        conversation_id=conversation_id,
        turns=tuple(Utterance(Speaker(speaker), words) for speaker, words in raw["turns"]),
        past=tuple(PastMessage(intent, emotion, _unpack(vector), answered) for intent, emotion, vector, answered in raw["past"]),
        misses=int(raw["misses"]),
        open_slots=None if slots is None else OpenSlots(slots["intent"], tuple(slots["wanted"]), dict(slots["filled"])),
        handed_off=bool(raw["handed_off"]),
        tried=tuple(raw["tried"]),
        heard=raw.get("heard"),  # states of an earlier version have neither
        added=tuple(raw.get("added", ())),
    )


def vector_space(bundle: Bundle) -> str:
    """Returns the name of the model that made a bundle's vectors; bundles that share the model share the space."""
    return bundle.manifest.files.get("model.onnx", bundle.manifest.bundle_version)[:16]


def fit_to(remembered: Remembered, bundle: Bundle) -> Conversation:
    """Returns a state that a bundle can work with, whatever bundle wrote it.

    Labels and slots that the bundle does not know are dropped, and vectors of another model compare to nothing.
    """
    conversation = remembered.conversation
    labels, slots = bundle.labels, conversation.open_slots
    known = {*labels.emotions, *labels.intents}
    past = tuple(message for message in conversation.past if {message.emotion, message.intent} <= known)
    if remembered.space != vector_space(bundle):
        nowhere = (0.0,) * bundle.encoder.dimension
        past = tuple(replace(message, vector=nowhere) for message in past)
    if slots is not None and (slots.intent not in labels.intents or any(name not in bundle.pack.slots for name in slots.wanted)):
        slots = None
    return replace(conversation, past=past, open_slots=slots)


def _pack(vector: tuple[float, ...]) -> str:
    return base64.b64encode(np.asarray(vector, "<f4").tobytes()).decode("ascii")


def _unpack(text: str) -> tuple[float, ...]:
    return tuple(np.frombuffer(base64.b64decode(text), "<f4").tolist())
