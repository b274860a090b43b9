"""Splits are disjoint, hold near copies on one side, keep the labels' shares, and come out the same each time."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dedupe import near_duplicate_pairs
from data.errors import ConfigError
from data.split import SPLITS, split_dialogues, user_texts
from data.types import Dialogue, Speaker, Utterance
from tests.data.helpers import assert_helpful, dialogue, light

USUAL = (0.8, 0.1, 0.1)
SENTENCES = [
    "什么时候发货呀亲", "什么时候发货呀", "什么时候发货", "尺码偏大还是偏小", "尺码偏大还是偏小呢", "能便宜一点吗老板", "在吗",
    "好的",
]  # fmt: skip


def unlike(count: int, *, intent: str, seed: int = 7) -> list[Dialogue]:
    """Returns dialogues of one turn whose texts have nothing in common."""
    draw = random.Random(f"{intent}{seed}")
    texts = ["".join(chr(draw.randrange(0x4E00, 0x9FA5)) for _ in range(10)) for _ in range(count)]
    return [dialogue(f"{intent}{number}", text, intents=[intent]) for number, text in enumerate(texts)]


def names(result: dict[str, list[Dialogue]]) -> dict[str, list[str]]:
    """Returns the ids in each split."""
    return {name: [row.dialogue_id for row in rows] for name, rows in result.items()}


def crossing(result: dict[str, list[Dialogue]]) -> list[tuple[int, int, float]]:
    """Returns the near copies that stand in two different splits."""
    texts = [[text for row in result[name] for text in user_texts(row)] for name in SPLITS]
    return [pair for one, other in combinations(texts, 2) for pair in near_duplicate_pairs(one, other)]


@st.composite
def logs(draw: st.DrawFn, fixed: tuple[str | None, ...] = (None,)) -> list[Dialogue]:
    """Draws dialogues of few sentences, so that near copies are common."""
    count = draw(st.integers(0, 10))
    turns = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3)
    intents = st.lists(st.sampled_from("abc"), max_size=2)
    return [dialogue(str(n), *draw(turns), intents=draw(intents), split=draw(st.sampled_from(fixed))) for n in range(count)]


fractions = st.sampled_from([USUAL, (0.5, 0.25, 0.25), (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.0, 0.5, 0.5)])


@light
@given(logs((None, "train", "dev", "test")), fractions, st.integers(0, 9))
def test_every_dialogue_is_in_exactly_one_split(rows: list[Dialogue], shares: tuple[float, float, float], seed: int) -> None:
    result = split_dialogues(rows, fractions=shares, seed=seed)
    assert tuple(result) == SPLITS
    assert sorted(row.dialogue_id for part in result.values() for row in part) == sorted(row.dialogue_id for row in rows)


@light
@given(logs(), fractions, st.integers(0, 9))
def test_near_copies_are_on_one_side(rows: list[Dialogue], shares: tuple[float, float, float], seed: int) -> None:
    assert crossing(split_dialogues(rows, fractions=shares, seed=seed)) == []


@light
@given(logs((None, "test")), st.integers(0, 9))
def test_near_copies_of_a_fixed_dialogue_follow_it(rows: list[Dialogue], seed: int) -> None:
    assert crossing(split_dialogues(rows, fractions=USUAL, seed=seed)) == []


@light
@given(logs((None, "train", "dev", "test")), fractions)
def test_a_fixed_split_is_kept(rows: list[Dialogue], shares: tuple[float, float, float]) -> None:
    result = split_dialogues(rows, fractions=shares, seed=1)
    assert all(row.split in (None, name) for name, part in result.items() for row in part)


@light
@given(logs(), fractions)
def test_a_split_without_a_share_stays_empty(rows: list[Dialogue], shares: tuple[float, float, float]) -> None:
    result = split_dialogues(rows, fractions=shares, seed=1)
    assert not [name for name, share in zip(SPLITS, shares, strict=True) if share == 0 and result[name]]


def test_near_copies_are_joined_through_a_third() -> None:
    chain = [
        dialogue("a", "什么时候能发货", "尺码偏大还是偏小"),
        dialogue("b", "什么时候能发货呀"),
        dialogue("c", "尺码偏大还是偏小呢"),
    ]
    for seed in range(6):
        result = split_dialogues([*chain, *unlike(4, intent="x")], fractions=(0.4, 0.3, 0.3), seed=seed)
        assert {"a", "b", "c"} <= set(max(names(result).values(), key=lambda ids: len({"a", "b", "c"} & set(ids))))


def test_turns_of_the_agent_join_nothing() -> None:
    script = Utterance(Speaker.AGENT, "亲亲您好请问有什么可以帮您")
    rows = [Dialogue(row.dialogue_id, (script, *row.turns)) for row in unlike(100, intent="x")]
    assert [len(part) for part in split_dialogues(rows, fractions=USUAL, seed=1).values()] == [80, 10, 10]
    assert user_texts(rows[0]) == [rows[0].turns[1].text]


def test_a_looser_threshold_joins_more() -> None:
    rows = [dialogue("a", "什么时候可以发货呀"), dialogue("b", "到底什么时候发货")]
    sides = {
        threshold: {len(split_dialogues(rows, fractions=(0.5, 0.5, 0.0), seed=s, threshold=threshold)["train"]) for s in range(4)}
        for threshold in (0.3, 0.9)
    }
    assert sides == {0.3: {2}, 0.9: {1}}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_every_intent_has_its_share_in_every_split(seed: int) -> None:
    rows = [*unlike(200, intent="often"), *unlike(50, intent="seldom"), *unlike(10, intent="rare")]
    random.Random(seed).shuffle(rows)
    result = split_dialogues(rows, fractions=USUAL, seed=seed)
    for intent, count in (("often", 200), ("seldom", 50), ("rare", 10)):
        found = Counter(name for name, part in result.items() for row in part if row.turns[0].intents == (intent,))
        assert found == {"train": count * 0.8, "dev": count * 0.1, "test": count * 0.1}


@pytest.mark.parametrize("seed", range(6))
def test_dialogues_with_two_intents_upset_the_share_of_neither(seed: int) -> None:
    rows = [dialogue(row.dialogue_id, row.turns[0].text, intents=["often"]) for row in unlike(20, intent="x")]
    rows[:10] = [Dialogue(row.dialogue_id, (*row.turns, Utterance(Speaker.USER, "嗯", ("rare",)))) for row in rows[:10]]
    result = split_dialogues(rows, fractions=USUAL, seed=seed)
    counts = [Counter(turn.intents[0] for row in result[name] for turn in row.turns) for name in SPLITS]
    assert counts == [{"often": 16, "rare": 8}, {"often": 2, "rare": 1}, {"often": 2, "rare": 1}]


def test_dialogues_without_labels_are_shared_out_too() -> None:
    rows = [Dialogue(row.dialogue_id, (Utterance(Speaker.USER, row.turns[0].text),)) for row in unlike(100, intent="x")]
    result = split_dialogues(rows, fractions=USUAL, seed=3)
    assert [len(part) for part in result.values()] == [80, 10, 10]


def test_the_same_seed_gives_the_same_splits_and_another_seed_others() -> None:
    rows = unlike(60, intent="x")
    first, again, other = (names(split_dialogues(rows, fractions=USUAL, seed=seed)) for seed in (1, 1, 2))
    assert first == again
    assert set(first["test"]) != set(other["test"])


def test_the_splits_do_not_hang_on_the_order_of_pythons_sets() -> None:
    program = (
        "from tests.data.test_split import *\n"
        "rows = [dialogue(str(n), SENTENCES[n % 8] + '亲' * (n % 3), intents=['ab'[n % 2]]) for n in range(24)]\n"
        "print(names(split_dialogues([*rows, *unlike(20, intent='x')], fractions=USUAL, seed=5)))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert printed[0] == printed[1] != ""


def test_a_global_seed_is_neither_used_nor_moved() -> None:
    rows = unlike(30, intent="x")
    random.seed(1)
    before = random.getstate()
    first = names(split_dialogues(rows, fractions=USUAL, seed=1))
    assert random.getstate() == before
    random.seed(2)
    assert names(split_dialogues(rows, fractions=USUAL, seed=1)) == first


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.2), (0.5, 0.1, 0.1), (1.2, -0.1, -0.1), (0.0, 0.0, 0.0)])
def test_fractions_that_do_not_sum_to_one_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError) as caught:
        split_dialogues([], fractions=shares, seed=1)
    assert_helpful(str(caught.value), str(shares))


def test_fractions_may_miss_one_by_rounding() -> None:
    assert split_dialogues([], fractions=(0.7, 0.2, 0.1), seed=1) == {"train": [], "dev": [], "test": []}


def test_an_unknown_fixed_split_is_refused_with_its_place() -> None:
    with pytest.raises(ConfigError) as caught:
        split_dialogues([dialogue("812", "在吗", split="valid")], fractions=USUAL, seed=1)
    assert_helpful(str(caught.value), "logs.jsonl:812", "'valid'", "train, dev, test")
