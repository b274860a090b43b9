"""The store: what is kept, for how long, and that two workers never lose a message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.types import Speaker, Utterance
from models.analysis import Conversation, OpenSlots, PastMessage
from models.calibration import Calibration
from serving.bundles import Brain, load_brain
from serving.conversations import (
    MAX_REMEMBERED,
    Remembered,
    fit_to,
    from_json,
    to_json,
    vector_space,
)
from serving.settings import Settings

FULL = Conversation(
    "c1",
    turns=(Utterance(Speaker.USER, "怎么退"), Utterance(Speaker.AGENT, "点“申请售后”")),
    past=(PastMessage("aftersale.return", "anxious", (0.1, -0.25, 3e-7), answered=True),),
    misses=1,
    open_slots=OpenSlots("aftersale.return", ("order_id", "reason"), {"reason": "坏了"}),
    handed_off=True,
    tried=("return",),
)


def test_json_round_trip() -> None:
    back = from_json(to_json(FULL), "c1")
    assert replace(back, past=()) == replace(FULL, past=())
    assert back.past[0].vector == pytest.approx(FULL.past[0].vector, abs=1e-7)
    assert from_json(to_json(back), "c1") == back  # float32 from here on: exact


WORDS = st.text(st.characters(codec="utf-8"), max_size=30)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)
SLOTS = st.builds(OpenSlots, WORDS, st.lists(WORDS, max_size=3).map(tuple), st.dictionaries(WORDS, WORDS, max_size=3))
STATES = st.builds(
    Conversation,
    conversation_id=st.just("c1"),
    turns=st.lists(st.builds(Utterance, st.sampled_from(Speaker), WORDS), max_size=MAX_REMEMBERED).map(tuple),
    past=st.lists(st.builds(PastMessage, WORDS, WORDS, st.lists(NUMBERS, max_size=4).map(tuple), st.booleans()), max_size=5).map(
        tuple
    ),
    misses=st.integers(0, 99),
    open_slots=st.none() | SLOTS,
    handed_off=st.booleans(),
    tried=st.lists(WORDS, max_size=3).map(tuple),
    heard=st.none() | st.integers(0, 2 * MAX_REMEMBERED),
    added=st.lists(WORDS, max_size=3).map(tuple),
)


@given(state=STATES)
def test_any_state_comes_back_as_it_was(state: Conversation) -> None:
    assert from_json(to_json(state), "c1") == state


def test_a_state_of_before_it_was_counted_is_heard_whole() -> None:
    raw = json.loads(to_json(FULL))
    del raw["heard"], raw["added"]
    assert (back := from_json(json.dumps(raw), "c1")).context == FULL.turns and back.added == ()


def test_state_does_not_grow_without_end() -> None:
    long = Conversation("c", turns=FULL.turns * 100, past=FULL.past * 100)
    back = from_json(to_json(long), "c")
    assert len(back.turns) == len(back.past) == MAX_REMEMBERED


def test_state_of_another_model_fits(brain: Brain) -> None:
    vector = (1.0,) + (0.0,) * (brain.bundle.encoder.dimension - 1)
    past = tuple(PastMessage(intent, "angry", vector, answered=False) for intent in ("aftersale.return", "gone.code"))
    kept = Conversation("c", past=past, open_slots=OpenSlots("aftersale.return", ("order_id",), {}), misses=1, handed_off=True)
    space = vector_space(brain.bundle)
    same = fit_to(Remembered(kept, space=space), brain.bundle)
    assert [message.vector for message in same.past] == [vector] and same.open_slots == kept.open_slots
    short = replace(kept, past=(PastMessage("aftersale.return", "angry", (1.0, 2.0), answered=False),))
    other = fit_to(Remembered(short, space="other"), brain.bundle)
    assert len(other.past[0].vector) == brain.bundle.encoder.dimension and not any(other.past[0].vector)
    assert other.misses == 1 and other.handed_off
    gone = replace(kept, open_slots=OpenSlots("aftersale.return", ("no_such_slot",), {}))
    assert fit_to(Remembered(gone, space=space), brain.bundle).open_slots is None


def test_bundles_that_share_the_model_share_the_space(brain: Brain, recalibrated: Callable[[Calibration], Path]) -> None:
    other = load_brain(Settings(bundle=recalibrated(Calibration(intent_temperature=3.0))))
    assert other.identity != brain.identity and vector_space(other.bundle) == vector_space(brain.bundle)
