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
from serving.conversations import MAX_ANSWERS, MAX_REMEMBERED, ConversationStore, Remembered
from serving.errors import StateError
from serving.schema import AgentTurnIn, ConversationAnswer, OpenSlotsOut, TurnOut, TurnsAnswer

_ATTEMPTS = 20  # messages of one conversation come one after another; so many conflicts mean that something is wrong
_Named = tuple[str | None, Utterance]


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

    def add_turns(self, conversation_id: str, turns: Sequence[AgentTurnIn]) -> TurnsAnswer:
        """Adds what was said beside the bot to the history, masked; a turn whose `message_id` was added before is left out.

        Raises:
            InputError: A text is empty once it is cleaned.
        """
        said = tuple(Utterance(Speaker(turn.speaker), mask_pii(clean(turn.text))) for turn in turns)
        empty = next((place for place, turn in enumerate(said) if not turn.text), None)
        if empty is not None:
            raise InputError(
                f"turns.{empty}.text is empty once spaces and control characters are gone; send at least one character"
            )
        named = list(zip((turn.message_id for turn in turns), said, strict=True))
        before, after = self._change(conversation_id, lambda state: _with_turns(state, _new(state, named)))
        # Not read again: what is saved must not end in an error, and be sent twice.
        return TurnsAnswer(conversation_id=conversation_id, remembered=len((after or before).turns), added=len(_new(before, named)))

    def release(self, conversation_id: str) -> bool:
        """Gives a conversation back to the bot; returns whether a person had it."""
        _, after = self._change(
            conversation_id,
            lambda state: replace(state, misses=0, open_slots=None, handed_off=False) if state.handed_off else None,
        )
        return after is not None

    def delete(self, conversation_id: str) -> bool:
        """Deletes a conversation and its stored answers; returns whether there was something."""
        return self._store.delete(conversation_id)

    def _change(
        self, conversation_id: str, change: Callable[[Conversation], Conversation | None]
    ) -> tuple[Conversation, Conversation | None]:  # fmt: skip
        """Saves a changed state, over whatever other workers do; returns it after what it was. None if there was no change to make."""
        for _ in range(_ATTEMPTS):
            before = self._store.get(conversation_id)
            state = change(before.conversation)
            if state is None:
                return before.conversation, None
            if self._store.save(before, Remembered(state, before.turn, space=before.space)):
                return before.conversation, state
        raise StateError("this conversation is changed by too many requests at once; try again")


def _new(state: Conversation, named: Sequence[_Named]) -> list[_Named]:
    """Those that have no name, or one that nothing before them had."""
    known, found = set(state.added), []
    for name, turn in named:
        if name is None or name not in known:
            found.append((name, turn))
            known.update(() if name is None else (name,))
    return found


def _with_turns(state: Conversation, new: Sequence[_Named]) -> Conversation | None:
    if not new:
        return None
    turns, names = tuple(turn for _, turn in new), tuple(name for name, _ in new if name is not None)
    heard = None if state.heard is None else state.heard + len(turns)
    return replace(
        state, turns=(*state.turns, *turns)[-MAX_REMEMBERED:], heard=heard, added=(*state.added, *names)[-MAX_ANSWERS:]
    )  # fmt: skip
