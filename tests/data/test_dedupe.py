"""Copies and near copies are found, and short everyday messages are not taken for copies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.dedupe import dedupe_key, first_occurrences, near_duplicate_pairs, shingles
from tests.data.helpers import light

# Few letters, so that near copies are common.
texts = st.lists(st.text("退款货， ", max_size=9), max_size=8)


@pytest.mark.parametrize(
    "copy",
    ["什么时候发货", "什么时候发货？？？", " 什么 时候，发货。", "什麼時候發貨", "「什么时候」发货～", "什么时候发货😡"],
)
def test_punctuation_spaces_emoji_and_script_make_no_other_sentence(copy: str) -> None:
    assert dedupe_key(copy) == "什么时候发货"


def test_width_and_case_make_no_other_sentence() -> None:
    assert dedupe_key("ＩＰＨＯＮＥ 15") == dedupe_key("iPhone15") == "iphone15"


@pytest.mark.parametrize(("one", "other"), [("要退货", "不要退货"), ("退1件", "退2件"), ("？？", "😡"), ("😡", "👍")])
def test_different_words_digits_and_symbols_have_different_keys(one: str, other: str) -> None:
    assert dedupe_key(one) != dedupe_key(other)


def test_a_text_of_symbols_alone_is_its_own_key() -> None:
    assert dedupe_key("？！") == "?!"
    assert dedupe_key("😡") == "😡"


def test_shingles_are_all_runs_of_the_given_size() -> None:
    assert shingles("我要退货") == {"我要", "要退", "退货"}
    assert shingles("我要退货", size=3) == {"我要退", "要退货"}
    assert shingles("退货") == {"退货"}
    assert shingles("退") == {"退"}


@light
@given(texts, texts, st.sampled_from([0.3, 0.5, 0.8, 1.0]), st.integers(0, 7))
def test_pairs_are_those_that_comparing_each_with_each_finds(
    left: list[str], right: list[str], threshold: float, min_characters: int
) -> None:
    expected = {}
    for i, one in enumerate(map(dedupe_key, left)):
        for j, other in enumerate(map(dedupe_key, right)):
            a, b = shingles(one), shingles(other)
            if min(len(one), len(other)) >= min_characters and a & b and len(a & b) / len(a | b) >= threshold:
                expected[i, j] = len(a & b) / len(a | b)
    found = near_duplicate_pairs(left, right, threshold=threshold, min_characters=min_characters)
    assert {(i, j): similarity for i, j, similarity in found} == pytest.approx(expected)
    assert len(found) == len(expected)


@light
@given(texts, texts)
def test_looking_from_the_other_side_finds_the_same_pairs(left: list[str], right: list[str]) -> None:
    there = near_duplicate_pairs(left, right, threshold=0.6)
    back = near_duplicate_pairs(right, left, threshold=0.6)
    assert sorted(there) == sorted((i, j, similarity) for j, i, similarity in back)


def test_a_reworded_sentence_is_a_near_copy_and_another_question_is_not() -> None:
    asked = ["请问一下我的快递什么时候可以送到啊"]
    known = ["我的快递什么时候可以送到", "请问一下我的快递什么时候可以送到呢", "请问这款羽绒服会不会掉毛"]
    assert [(i, j) for i, j, _ in near_duplicate_pairs(asked, known)] == [(0, 1)]
    assert [(i, j) for i, j, _ in near_duplicate_pairs(asked, known, threshold=0.6)] == [(0, 0), (0, 1)]


def test_short_everyday_messages_are_never_reported_even_when_equal() -> None:
    short = ["好的", "在吗", "谢谢亲", "好的呢亲"]
    assert near_duplicate_pairs(short, short) == []


def test_equal_sentences_have_similarity_one() -> None:
    assert near_duplicate_pairs(["什么时候发货？"], ["什麼時候發貨"]) == [(0, 0, 1.0)]


def test_nothing_is_near_in_an_empty_list() -> None:
    assert near_duplicate_pairs([], ["什么时候发货"]) == near_duplicate_pairs(["什么时候发货"], []) == []


def test_the_first_of_several_copies_is_kept() -> None:
    assert first_occurrences(["在吗", "退货！", "在吗？", "退貨", "换货"]) == [0, 1, 4]


@light
@given(texts)
def test_what_is_kept_has_every_key_once_and_in_order(rows: list[str]) -> None:
    kept = first_occurrences(rows)
    keys = [dedupe_key(rows[index]) for index in kept]
    assert kept == sorted(kept)
    assert len(set(keys)) == len(keys)
    assert set(keys) == set(map(dedupe_key, rows))
    assert all(dedupe_key(row) != key for index, key in zip(kept, keys, strict=True) for row in rows[:index])
