"""The n-grams of the wide part: which are known, what they weigh, and that a file keeps them to the last digit."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.lexical import Lexicon, pad_lexical
from tests.models.helpers import light

ROWS = [("退货运费", ""), ("退货", "客:运费"), ("退款", "客:运费谁出"), ("发票", "")]
texts = st.text("退货运费款发票谁出,", max_size=12)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    """N-grams that stand in two rows or more."""
    return Lexicon.fit(ROWS)


def weights(lexicon: Lexicon, message: str, context: str = "") -> dict[str, float]:
    """Returns the weight of each known n-gram of a message; a tab marks those of the context."""
    ids, values = lexicon.encode(message, context)
    names = {number: gram for gram, number in lexicon.numbers.items()} | {0: "every message"}
    assert len(set(ids.tolist())) == len(ids)
    return {names[int(number)]: float(value) for number, value in zip(ids, values, strict=True)}


def test_only_what_stands_in_enough_rows_is_known(lexicon: Lexicon) -> None:
    assert set(lexicon.numbers) == {
        "退",
        "货",
        "退货",
        "\t客",
        "\t:",
        "\t运",
        "\t费",
        "\t客:",
        "\t:运",
        "\t运费",
        "\t客:运",
        "\t:运费",
    }
    assert sorted(lexicon.numbers.values()) == list(range(1, 13))
    assert "发票" in Lexicon.fit(ROWS, min_count=1).numbers
    assert set(Lexicon.fit(ROWS, min_count=3).numbers) == {"退"}


def test_a_row_counts_once_however_often_it_says_it() -> None:
    assert "票" not in Lexicon.fit([("票票票票", ""), ("退货", "")]).numbers


def test_rare_grams_weigh_more_by_the_formula(lexicon: Lexicon) -> None:
    assert lexicon.idf[0] == 0
    assert lexicon.idf[lexicon.numbers["退"]] == pytest.approx(math.log(5 / 4) + 1, abs=1e-4)
    assert lexicon.idf[lexicon.numbers["退货"]] == pytest.approx(math.log(5 / 3) + 1, abs=1e-4)


def test_weights_are_sublinear_tf_idf(lexicon: Lexicon) -> None:
    got = weights(lexicon, "退退退货")
    one, three = math.log(5 / 3) + 1, (math.log(5 / 4) + 1) * (1 + math.log(3))
    length = math.sqrt(one**2 + three**2 + one**2)  # 退 three times, 货 and 退货 once
    assert got == pytest.approx({"every message": 1, "退": three / length, "货": one / length, "退货": one / length}, abs=1e-4)


@light
@given(texts, texts)
def test_the_message_has_unit_norm_and_the_context_less(message: str, context: str) -> None:
    got = weights(Lexicon.fit(ROWS), message, context)
    assert got.pop("every message") == 1
    own = [value for gram, value in got.items() if not gram.startswith("\t")]
    beside = [value for gram, value in got.items() if gram.startswith("\t")]
    assert np.linalg.norm(own) == pytest.approx(1 if own else 0, abs=1e-5)
    assert np.linalg.norm(beside) == pytest.approx(0.7 if beside else 0, abs=1e-5)
    assert bool(own) == bool(set(message) & {"退", "货"})


def test_context_and_message_share_no_feature(lexicon: Lexicon) -> None:
    assert set(weights(lexicon, "运费")) == {"every message"}
    assert set(weights(lexicon, "好", "运费")) == {"every message", "\t运", "\t费", "\t运费"}
    assert set(weights(lexicon, "好", "退货")) == {"every message"}


def test_a_message_of_unknown_words_has_the_common_row_alone(lexicon: Lexicon) -> None:
    ids, values = lexicon.encode("hello", "")
    assert (ids.tolist(), values.tolist()) == ([0], [1])
    assert lexicon.encode("", "")[0].tolist() == [0]


def test_padding_adds_nothing(lexicon: Lexicon) -> None:
    rows = [lexicon.encode("退货", "客:运费"), lexicon.encode("hello", ""), lexicon.encode("退", "")]
    ids, values = pad_lexical(rows)
    matrix = np.random.default_rng(0).normal(size=(len(lexicon.idf), 3))
    sums = (matrix[ids] * values[:, :, None]).sum(1)
    for (own_ids, own_values), got, padded in zip(rows, sums, values, strict=True):
        assert got == pytest.approx((matrix[own_ids] * own_values[:, None]).sum(0))
        assert not padded[len(own_ids) :].any()
    assert ids.shape == values.shape == (3, max(len(own) for own, _ in rows))


@pytest.mark.parametrize("pair", [*ROWS, ("退退退货", "客:运费"), ("hello", "")])
def test_saved_and_loaded_it_weighs_the_same(pair: tuple[str, str], lexicon: Lexicon, tmp_path: Path) -> None:
    lexicon.save(tmp_path / "lexicon.json")
    loaded = Lexicon.load(tmp_path / "lexicon.json")
    assert loaded.numbers == lexicon.numbers
    (ids, values), (expected_ids, expected_values) = loaded.encode(*pair), lexicon.encode(*pair)
    assert np.array_equal(ids, expected_ids)
    assert np.array_equal(values, expected_values)
    assert (ids.dtype, values.dtype) == (np.dtype(np.int64), np.dtype(np.float32))


def test_the_same_rows_give_the_same_numbers_in_any_order() -> None:
    assert Lexicon.fit(ROWS).numbers == Lexicon.fit(ROWS[::-1]).numbers


@light
@given(st.lists(st.text(alphabet="退货款多久到账吗 a1", max_size=8), max_size=6))
def test_all_at_once_weighs_as_one_by_one(messages: list[str]) -> None:
    lexicon = Lexicon.fit([("退货款多久到账", ""), ("到账了吗", ""), ("a1", "")], min_count=1)
    owners, ids, weights = lexicon.encode_all(messages)
    for number, message in enumerate(messages):
        rows, expected = lexicon.encode(message, "")
        found = dict(zip(ids[owners == number], weights[owners == number], strict=True))
        assert found == pytest.approx(dict(zip(rows[1:], expected[1:], strict=True)), abs=1e-6)
