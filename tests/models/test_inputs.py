"""What the encoder reads: masked, normalised, short enough, and padded without a trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from data.types import Speaker, Utterance
from models.inputs import InputFormat, context_text, message_text, pad, tokenise
from tests.models.helpers import light
from tests.tiny import tiny_tokenizer

PLAIN = InputFormat(prefix="")
TALK = InputFormat(context_turns=2)
TURNS = (Utterance(Speaker.USER, "第一句"), Utterance(Speaker.AGENT, "您好,請問?"), Utterance(Speaker.USER, "电话13800138000"))
texts = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x4EFF) | st.sampled_from("aA1!?… 😀發"), max_size=60)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """The tiny bundle's: one token a character."""
    return tiny_tokenizer()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("怎么退货", "query: 怎么退货"), ("  怎麼退貨 ", "query: 怎么退货"), ("IPHONE １５", "query: iphone 15"),
        ("啊啊啊啊啊啊", "query: 啊啊啊"), ("打我电话13800138000", "query: 打我电话[phone]"),
    ],
)  # fmt: skip
def test_a_message_is_masked_normalised_and_prefixed(text: str, expected: str) -> None:
    assert message_text(text, InputFormat()) == expected


def test_a_long_message_keeps_its_head_and_tail() -> None:
    text = "".join(chr(0x4E00 + number * 7) for number in range(500))
    got = message_text(text, InputFormat(prefix="", message_characters=100))
    head, _, tail = got.partition("…")
    whole = message_text(text, InputFormat(prefix="", message_characters=10_000))
    assert (len(head), len(tail)) == (75, 25)
    assert whole.startswith(head)
    assert whole.endswith(tail)
    assert "…" not in message_text(whole[:100], InputFormat(prefix="", message_characters=100))


@light
@given(texts, st.integers(4, 40))
def test_no_message_is_longer_than_the_limit_and_its_mark(text: str, limit: int) -> None:
    assert len(message_text(text, InputFormat(prefix="", message_characters=limit))) <= limit + 1


@light
@given(texts)
def test_reading_again_what_was_read_changes_nothing(text: str) -> None:
    once = message_text(text, PLAIN)
    assert message_text(once, PLAIN) == once


@pytest.mark.parametrize(
    ("text", "history", "layout"),
    [
        ("好", (), TALK),
        ("好", TURNS, InputFormat()),  # off
        ("这是一句比十六个字长的话自己就说得清楚", TURNS, TALK),
    ],
)
def test_no_context_when_off_absent_or_not_needed(text: str, history: tuple[Utterance, ...], layout: InputFormat) -> None:
    assert context_text(text, history, layout) == ""


def test_context_is_the_newest_turns_marked_and_masked() -> None:
    assert context_text("好", TURNS, TALK) == "服:您好,请问? 客:电话[phone]"
    assert context_text("好", TURNS[:1], TALK) == "客:第一句"


def test_the_limit_of_the_message_counts_its_own_characters() -> None:
    layout = InputFormat(context_turns=2, context_below=3)
    assert context_text("三个字", TURNS, layout)
    assert not context_text("四个字了", TURNS, layout)


def test_long_context_keeps_its_newest_part() -> None:
    assert context_text("嗯", TURNS, InputFormat(context_turns=2, turn_characters=3)) == "服:请问? 客:ne]"
    short = InputFormat(context_turns=2, context_characters=6)
    got = context_text("好", TURNS, short)
    assert len(got) == 6
    assert context_text("好", TURNS, TALK).endswith(got)


def test_context_is_another_segment(tokenizer: Tokenizer) -> None:
    ids, types = tokenise(tokenizer, "退货", "客:订单")
    assert len(ids) == len(types)
    assert types == sorted(types)
    assert set(types) == {0, 1}
    alone, own = tokenise(tokenizer, "退货", "")
    assert set(own) == {0}
    assert ids[: len(alone)] == alone
    assert types[: len(alone)] == own


@light
@given(st.lists(st.lists(st.integers(5, 90), min_size=1, max_size=9), min_size=1, max_size=6))
def test_padding_is_masked_and_loses_nothing(rows: list[list[int]]) -> None:
    batch = pad([(row, [1] * len(row)) for row in rows], pad_id=3)
    longest = max(map(len, rows))
    assert batch.ids.shape == batch.mask.shape == batch.types.shape == (len(rows), longest)
    assert {batch.ids.dtype, batch.mask.dtype, batch.types.dtype} == {np.dtype(np.int64)}
    for row, ids, mask, types in zip(rows, batch.ids, batch.mask, batch.types, strict=True):
        assert ids.tolist() == row + [3] * (longest - len(row))
        assert mask.tolist() == types.tolist() == [1] * len(row) + [0] * (longest - len(row))


def test_an_order_number_is_one_sign_and_short_numbers_stay() -> None:
    plain = InputFormat(prefix="", context_turns=2)
    assert message_text("订单4729103856201938475 少发了2件", plain) == "订单# 少发了2件"
    assert message_text("SF1234567890123到哪了 5000以内 1234567", plain) == "sf#到哪了 5000以内 1234567"
    turns = (Utterance(Speaker.USER, "202611180012345"), Utterance(Speaker.AGENT, "收到"))
    assert context_text("到哪了", turns, plain) == "客:# 服:收到"
