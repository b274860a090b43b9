"""BM25 against a slow reference written by hand from the formula, and the words it counts."""

from __future__ import annotations

import math
from pathlib import Path

import jieba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bm25 import Bm25Index, _segmenter, words
from tests.models.helpers import light

SENTENCES = [
    "什么时候发货", "发货了吗", "退货运费谁出", "怎么申请退货退款", "退款多久到账", "可以开电子发票吗", "发票发票发票", "的了吗呢",
    "hello world", "iPhone 15 有货吗", "运费",
]  # fmt: skip


def reference(texts: list[str], query: str) -> list[float]:
    """Robertson and Zaragoza 2009, one document and one word at a time, k1 = 1.2 and b = 0.75."""
    documents = [words(text) for text in texts]
    mean = max(1.0, sum(map(len, documents)) / len(documents))
    asked = words(query)
    scores = []
    for document in documents:
        total = 0.0
        for word in asked:
            holders = sum(word in other for other in documents)
            rarity = math.log(1 + (len(documents) - holders + 0.5) / (holders + 0.5))
            frequency = document.count(word)
            total += rarity * frequency * 2.2 / (frequency + 1.2 * (0.25 + 0.75 * len(document) / mean))
        scores.append(total / max(1, len(asked)))
    return scores


@light
@given(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=8), st.sampled_from([*SENTENCES, "从来没见过", "退货 发货 发货"]))
def test_equals_the_slow_reference(texts: list[str], query: str) -> None:
    np.testing.assert_allclose(Bm25Index.fit(texts).scores(query), reference(texts, query), rtol=1e-5, atol=1e-6)


def test_a_value_reckoned_with_pencil_and_paper() -> None:
    # Two documents of one and three words; 发货 stands once in the first only: ln(1 + 1.5 / 1.5) * 2.2 / (1 + 1.2 * (0.25 + 0.75 / 2)).
    index = Bm25Index.fit(["发货", "退货 运费 发票"])
    assert words("退货 运费 发票") == ["退货", "运费", "发票"]
    assert index.scores("发货") == pytest.approx([math.log(2) * 2.2 / 1.75, 0.0], rel=1e-6)


def test_the_document_with_the_rare_word_comes_first() -> None:
    texts = ["怎么退货", "怎么退款", "怎么开发票", "怎么查物流"]
    assert int(Bm25Index.fit(texts).scores("发票怎么弄").argmax()) == 2


def test_words_without_meaning_find_nothing() -> None:
    index = Bm25Index.fit(["什么时候发货", "的了吗呢"])
    assert words("的了吗呢?!") == []
    assert not index.scores("吗呢").any()
    assert not index.scores("").any()
    assert not index.scores("榴莲").any()


def test_long_words_count_with_their_parts_and_traditional_ones_as_simplified() -> None:
    assert {"电子", "发票"} <= set(words("电子发票"))
    assert words("電子發票") == words("电子发票")
    assert words("IPHONE") == words("iphone")


def test_an_index_of_nothing_scores_nothing() -> None:
    assert Bm25Index.fit([]).scores("发货").shape == (0,)


def test_saved_and_loaded_it_scores_the_same(tmp_path: Path) -> None:
    index = Bm25Index.fit(SENTENCES)
    index.save(tmp_path)
    loaded = Bm25Index.load(tmp_path)
    assert loaded.size == len(SENTENCES)
    for query in SENTENCES:
        assert np.array_equal(loaded.scores(query), index.scores(query))


@settings(deadline=None)  # jieba's own dictionary loads at the first
@given(st.sampled_from([*SENTENCES, "中华人民共和国", "abc123双十一满减", ""]), st.text("退货款运费险什么时候到a1 。", max_size=12))
def test_words_are_those_that_jieba_finds(known: str, typed: str) -> None:
    for text in (known + typed, typed + known):
        assert list(_segmenter().cut_for_search(text, HMM=False)) == list(jieba.dt.cut_for_search(text, HMM=False))
