"""The out-of-scope probability: what its features say, how they add up, and its JSON form."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoder import Encoded
from models.rejection import BUCKETS, FEATURES, Rejector, pack_words, word_buckets
from tests.models.helpers import light

VECTOR = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
INTENT = np.array([[0.0, 0.0, 0.0], [1000.0, 0.0, 0.0]], np.float32)
PRESENCE = np.array([[-3.0, -1.0, -2.0], [2.0, -5.0, 1.0]], np.float32)
OUTSIDE = np.array([1.5, -0.5], np.float32)
TEXTS = ["天气", "退货"]


def some(rows: slice) -> Encoded:
    return Encoded(VECTOR[rows], INTENT[rows], PRESENCE[rows], np.zeros((2, 1), np.float32)[rows], OUTSIDE[rows], ())


SCORES = some(slice(None))
WEIGHTS = np.zeros(BUCKETS)
WEIGHTS[word_buckets("天气")] = 2.0
FITTED = Rejector(
    weights=(-1.0, -0.5, 0.5, 0.75), bias=0.25, mean=(0.5, 2.0, 0.7, 0.3), scale=(2.0, 0.5, 0.1, 0.6),
    words=pack_words(WEIGHTS),
)  # fmt: skip


def test_features_are_the_best_presence_the_energy_the_words_and_the_head() -> None:
    found = dict(zip(FEATURES, FITTED.features(SCORES, TEXTS).T.tolist(), strict=True))
    assert found["presence"] == [-1, 2]
    assert found["energy"] == pytest.approx([np.log(3), 1000])  # and no overflow
    assert found["words"] == pytest.approx([3 * 2 / np.sqrt(3), 0])  # 天, 气, 天气
    assert found["head"] == [1.5, -0.5]


def test_before_calibration_words_say_nothing() -> None:
    assert Rejector().features(SCORES, TEXTS)[:, FEATURES.index("words")].tolist() == [0, 0]


def test_vectors_say_nothing() -> None:
    assert np.array_equal(FITTED.features(replace(SCORES, vector=-VECTOR), TEXTS), FITTED.features(SCORES, TEXTS))


def test_buckets_are_those_of_crc_32_and_each_counts_once() -> None:
    assert word_buckets("ab").tolist() == sorted({zlib.crc32(gram) % BUCKETS for gram in (b"a", b"b", b"ab")})
    assert word_buckets("哈哈哈").tolist() == sorted({zlib.crc32(gram.encode()) % BUCKETS for gram in ("哈", "哈哈", "哈哈哈")})
    assert word_buckets("").tolist() == []


def test_a_text_without_characters_has_no_words() -> None:
    assert FITTED.features(SCORES, ["", "x"])[0, FEATURES.index("words")] == 0


def test_the_probability_is_the_logistic_function_of_standardised_features() -> None:
    row = FITTED.features(SCORES, TEXTS)[0]
    logit = 0.25 - (row[0] - 0.5) / 2 - 0.5 * (row[1] - 2) / 0.5 + 0.5 * (row[2] - 0.7) / 0.1
    logit += 0.75 * (1.5 - 0.3) / 0.6
    got = FITTED.probability(SCORES, TEXTS)
    assert got[0] == pytest.approx(1 / (1 + np.exp(-logit)))
    assert got.shape == (2,)
    assert ((got >= 0) & (got <= 1)).all()


@light
@given(st.floats(-10, 10), st.floats(0, 5))
def test_by_default_a_present_intent_speaks_against_it(presence: float, more: float) -> None:
    rows = np.array([[presence], [presence + more]], np.float32)
    lower, higher = Rejector().probability(replace(SCORES, presence=rows), TEXTS)
    assert higher <= lower


def test_a_row_does_not_hang_on_the_others() -> None:
    together = FITTED.probability(SCORES, TEXTS)
    parts = [slice(row, row + 1) for row in range(2)]
    alone = [FITTED.probability(some(part), TEXTS[part])[0] for part in parts]
    assert together == pytest.approx(alone, rel=1e-6)


def test_no_rows_give_no_probabilities() -> None:
    assert FITTED.probability(some(slice(0)), []).shape == (0,)


def test_its_json_form_comes_back() -> None:
    for rejector in (FITTED, Rejector(), replace(FITTED, words="")):
        assert Rejector.from_json(json.loads(json.dumps(asdict(rejector)))) == rejector


def test_word_weights_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="word weights"):
        Rejector.from_json(asdict(FITTED) | {"words": pack_words(WEIGHTS[:-1])})


@pytest.mark.parametrize("name", ["weights", "mean", "scale"])
@pytest.mark.parametrize("count", [0, len(FEATURES) - 1, len(FEATURES) + 1])
def test_more_or_fewer_numbers_than_signs_are_refused_by_name(name: str, count: int) -> None:
    with pytest.raises(ValueError, match=f"{count} numbers for {name}, expected {len(FEATURES)}"):
        Rejector.from_json(asdict(FITTED) | {name: [1.0] * count})
