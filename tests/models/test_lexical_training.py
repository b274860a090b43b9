"""The wide part learns which n-grams speak for a label, and how much it should count beside the encoder."""

from __future__ import annotations

import numpy as np
import pytest

from models.lexical import Lexicon
from models.lexical_training import best_share, fit_weights, matrix

ROWS = [(f"{verb}{thing}", "") for thing in ("手机", "衣服", "鞋子") for verb in ("退货", "不要了退", "查物流", "快递到哪")]
IS_RETURN = np.array(["退" in message for message, _ in ROWS])
LEXICON = Lexicon.fit(ROWS)
FEATURES = matrix(LEXICON, ROWS)


def scores(weights: np.ndarray, message: str, context: str = "") -> np.ndarray:
    ids, values = LEXICON.encode(message, context)
    return np.asarray((weights[ids] * values[:, None]).sum(0))


def test_the_weights_tell_the_labels_apart() -> None:
    weights = fit_weights(FEATURES, np.stack([IS_RETURN, ~IS_RETURN], axis=1))
    assert weights.shape == (len(LEXICON.idf), 2)
    assert weights.dtype == np.float32
    for (message, _), is_return in zip(ROWS, IS_RETURN, strict=True):
        back, track = scores(weights, message)
        assert (back > 0, track > 0) == (is_return, not is_return)
    assert scores(weights, "退货帽子")[0] > 0 > scores(weights, "物流帽子")[0]


def test_a_label_that_says_nothing_gets_no_weight() -> None:
    nobody, everybody = np.zeros(len(ROWS), np.bool_), np.ones(len(ROWS), np.bool_)
    weights = fit_weights(FEATURES, np.stack([nobody, IS_RETURN, everybody], axis=1))
    assert not weights[:, [0, 2]].any()
    assert weights[:, 1].any()


def test_a_prior_goes_into_the_row_of_every_message() -> None:
    rare = np.zeros(len(ROWS), np.bool_)
    rare[0] = True
    assert scores(fit_weights(FEATURES, rare[:, None]), "hello")[0] < 0
    assert scores(fit_weights(FEATURES, ~rare[:, None]), "hello")[0] > 0


def test_less_strength_gives_smaller_weights() -> None:
    targets = IS_RETURN[:, None]
    weak, strong = (np.abs(fit_weights(FEATURES, targets, strength=strength)).sum() for strength in (0.01, 10.0))
    assert weak < strong / 2


def test_the_matrix_holds_each_rows_weights() -> None:
    got = matrix(LEXICON, [*ROWS, ("hello", "")])
    assert got.shape == (len(ROWS) + 1, len(LEXICON.idf))
    for number, (message, context) in enumerate(ROWS):
        expected = np.zeros(len(LEXICON.idf), np.float32)
        ids, values = LEXICON.encode(message, context)
        expected[ids] = values
        assert np.array_equal(got[number].toarray()[0], expected)


@pytest.mark.parametrize(("good", "lowest", "highest"), [("deep", 0.0, 0.0), ("wide", 1.0, 100.0)])
def test_the_share_follows_the_part_that_knows(good: str, lowest: float, highest: float) -> None:
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 4, 400)
    known = (np.eye(4)[truth] * 3 + draw.normal(size=(400, 4))).astype(np.float32)
    noise = draw.normal(size=(400, 4)).astype(np.float32)
    deep, wide = (known, noise) if good == "deep" else (noise, known)
    assert lowest <= best_share(deep, wide, truth) <= highest


def test_parts_that_know_different_things_are_mixed() -> None:
    draw = np.random.default_rng(4)
    truth = draw.integers(0, 4, 400)
    deep, wide = ((np.eye(4)[truth] * 2 + draw.normal(size=(400, 4))).astype(np.float32) for _ in range(2))
    assert 0.5 <= best_share(deep, wide, truth) <= 2
