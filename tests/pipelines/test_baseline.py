"""The TF-IDF baselines: what each of them can and cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.baseline import classify, classify_turns, scores

_TRAIN = [("可以", "服:给您退款好吗?"), ("可以", "服:给您换一件好吗?"), ("我要退款", ""), ("我要换一件", "")] * 3
_LABELS = [0, 1, 0, 1] * 3


def test_one_baseline_reads_the_turns_before_and_the_other_the_message_alone() -> None:
    asked = [("可以", "服:给您退款好吗?"), ("可以", "服:给您换一件好吗?")]
    assert classify_turns(_TRAIN, _LABELS, asked).tolist() == [0, 1]
    alone = classify([message for message, _ in _TRAIN], _LABELS, [message for message, _ in asked])
    assert alone[0] == alone[1]


def test_both_know_words() -> None:
    asked = [("想退款", ""), ("想换一件", "")]
    assert classify_turns(_TRAIN, _LABELS, asked).tolist() == [0, 1]
    assert classify([message for message, _ in _TRAIN], _LABELS, [message for message, _ in asked]).tolist() == [0, 1]


@pytest.mark.parametrize("labels", [[0, 1], [0, 2, 1, 2]])
def test_the_highest_score_is_what_classify_says_and_an_unseen_class_never_is(labels: list[int]) -> None:
    texts = ["怎么退货", "物流到哪了", "开发票", "快递停了"][: len(labels)]
    found = scores(texts, labels, texts, classes=4)
    assert found.shape == (len(labels), 4)
    assert found.argmax(1).tolist() == classify(texts, labels, texts).tolist() == labels
    assert np.isneginf(found[:, 3]).all()
