"""What people do with conversations: look, add turns, give back to the bot, delete."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from data.errors import InputError
from data.masking import mask_pii
from data.normalise import clean
from data.types import Speaker, Utterance
from models.analysis import Conversation
from serving.conversations import ConversationStore, Remembered
from serving.errors import StateError
from serving.schema import MAX_REMEMBERED, AgentTurnIn, ConversationAnswer, OpenSlotsOut, TurnOut

_ATTEMPTS = 20  # messages of one conversation come one after another; so many conflicts mean that something is wrong


class Desk:
    """The agents' side of a store. Each method raises StateError where the store cannot be used."""

    def __init__(self, store: ConversationStore) -> None:
        self._store = store

    def show(self, conversation_id: str) -> ConversationAnswer:
        """Returns what is remembered of a conversation, masked as it was stored."""
        remembered = self._store.get(conversation_id)
        state = remembered.conversation
        slots = state.open_slots
        return ConversationAnswer(
            conversation_id=conversation_id,
            turn=remembered.turn,
            turns=[TurnOut(speaker=turn.speaker.value, text=turn.text) for turn in state.turns],
            handed_off=state.handed_off,
            misses=state.misses,
            open_slots=None
            if slots is None
            else OpenSlotsOut(intent=slots.intent, filled=slots.filled, missing=list(slots.missing)),
            updated=datetime.fromtimestamp(remembered.updated, UTC).isoformat() if remembered.version else None,
        )

    def add_turns(self, conversation_id: str, turns: Sequence[AgentTurnIn]) -> int:
        """Adds what was said beside the bot to the history, masked; returns how many turns are remembered now.

        Raises:
            InputError: A text is empty once it is cleaned.
        """
        said = tuple(Utterance(Speaker(turn.speaker), mask_pii(clean(turn.text))) for turn in turns)
        empty = next((place for place, turn in enumerate(said) if not turn.text), None)
        if empty is not None:
            raise InputError(
                f"turns.{empty}.text is empty once spaces and control characters are gone; send at least one character"
            )
        saved = self._change(conversation_id, lambda state: _with_turns(state, said))
        return 0 if saved is None else len(saved.turns)  # not read again: what is saved must not end in an error, and be sent twice

    def release(self, conversation_id: str) -> bool:
        """Gives a conversation back to the bot; returns whether a person had it."""
        saved = self._change(
            conversation_id,
            lambda state: replace(state, misses=0, open_slots=None, handed_off=False) if state.handed_off else None,
        )
        return saved is not None

    def delete(self, conversation_id: str) -> bool:
        """Deletes a conversation and its stored answers; returns whether there was something."""
        return self._store.delete(conversation_id)

    def _change(self, conversation_id: str, change: Callable[[Conversation], Conversation | None]) -> Conversation | None:
        """Saves a changed state, over whatever other workers do, and returns it; None if there was no change to make."""
        for _ in range(_ATTEMPTS):
            before = self._store.get(conversation_id)
            state = change(before.conversation)
            if state is None:
                return None
            if self._store.save(before, Remembered(state, before.turn, space=before.space)):
                return state
        raise StateError("this conversation is changed by too many requests at once; try again")


def _with_turns(state: Conversation, said: Sequence[Utterance]) -> Conversation:
    heard = None if state.heard is None else state.heard + len(said)
    return replace(state, turns=(*state.turns, *said)[-MAX_REMEMBERED:], heard=heard)
