"""The one normaliser: idempotent, never deletes Chinese, Traditional to Simplified only for the model."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.normalise import clean, for_model, is_traditional
from tests.data.helpers import han, light

MARKS = "\u200d\ufe0f\u200b\ufeff\u00ad\u202e\u0301\u0331\u0338\u3000\u2028\u0085\x00\r\ud83d\udc4b\uac00\u1100\u1161"
TROUBLE = [*MARKS, *"HAaİẞΣﬁ。.…①㊙乾縣薴么麼於戲"]
# Every code point, lone surrogates too, with those that make trouble as likely as all others together.
anything = st.lists(st.characters(exclude_categories=()) | st.sampled_from(TROUBLE), max_size=12).map("".join)


@light
@given(anything)
@example("e\u200b\u0301")  # dropping the zero-width space brings a letter and its accent together
@example(" \u200b ")
def test_clean_is_idempotent(text: str) -> None:
    assert clean(clean(text)) == clean(text)


@light
@given(anything)
@example("AAaa")  # a run of four only after lower case
@example("H\u0331")  # h with a line below is one character, H with a line below is two
@example("乾縣")  # 乾县 in one pass of OpenCC, 干县 in two
@example("\u4e00" * 9 + "乾" * 9)
def test_for_model_is_idempotent(text: str) -> None:
    assert for_model(for_model(text)) == for_model(text)


@light
@given(anything)
def test_the_model_sees_the_same_whether_a_text_was_cleaned_before_or_not(text: str) -> None:
    assert for_model(clean(text)) == for_model(text)


@light
@given(anything)
def test_what_clean_returns_can_be_stored_and_shown(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode("utf-8")
    assert not [char for char in cleaned if unicodedata.category(char) in {"Cc", "Cs"}]
    assert "  " not in cleaned and cleaned == cleaned.strip()
    assert unicodedata.is_normalized("NFKC", cleaned)


@light
@given(han)
def test_clean_keeps_every_han_character(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize("emoji", ["😡", "👍🏽", "👨‍👩‍👧", "❤️", "🇨🇳", "1️⃣", "🤷🏻‍♀️"])
def test_emoji_survive_whole(emoji: str) -> None:
    assert clean(f"谢谢{emoji}你") == f"谢谢{emoji}你"
    assert for_model(f"谢谢{emoji}你") == f"谢谢{emoji}你"


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("你好，", "你好,"), ("真的？！", "真的?!"), ("好。", "好。"), ("“行”、《书》", "“行”、《书》"), ("嗯…", "嗯..."),
        ("～（一）：；", "~(一):;"), ("—·￥%#@&", "—·¥%#@&"),
    ],
)  # fmt: skip
def test_punctuation_survives_in_one_form(typed: str, kept: str) -> None:
    assert clean(typed) == kept
    assert for_model(typed) == kept


def test_clean_keeps_traditional_and_for_model_does_not() -> None:
    assert clean("請問這個手機殼有貨嗎") == "請問這個手機殼有貨嗎"
    assert for_model("請問這個手機殼有貨嗎") == "请问这个手机壳有货吗"


def test_simplified_is_left_as_it_is_for_the_model() -> None:
    assert for_model("请问这个手机壳有货吗") == "请问这个手机壳有货吗"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("請問", True), ("请问", False), ("hello é", False), ("", False), ("你好，ＡＢＣ", False), ("\ud800軟", True)],
)
def test_traditional_is_told_by_its_characters_alone(text: str, expected: bool) -> None:
    assert is_traditional(text) is expected


def test_only_the_model_reads_lower_case() -> None:
    assert clean("iPhone 15 Pro") == "iPhone 15 Pro"
    assert for_model("iPhone 15 Pro") == "iphone 15 pro"


def test_full_width_letters_and_digits_become_half_width() -> None:
    assert clean("订单１２３ＡＢＣ") == "订单123ABC"


def test_spaces_and_control_characters_become_one_space() -> None:
    assert clean("  你好\u3000\t\n\x00 在吗\u2028 ") == "你好 在吗"


def test_invisible_characters_and_broken_surrogates_are_dropped() -> None:
    assert clean("\ufeff退\u200b款\u202e\ud83d！") == "退款!"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("快快快", "快快快"), ("快快快快快", "快快快"), ("？？？？？", "???"), ("哈哈哈哈AAAAaaaa", "哈哈哈aaa"), ("……", "..."),
        ("。。。。。。", "..."), ("好..", "好.."),
    ],
)  # fmt: skip
def test_the_model_reads_at_most_three_of_a_run(typed: str, read: str) -> None:
    assert for_model(typed) == read


def test_clean_does_not_cut_runs() -> None:
    assert clean("快快快快快") == "快快快快快"
