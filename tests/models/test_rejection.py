"""The out-of-scope probability: what its features say, how they add up, and its JSON form."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rejection import FEATURES, Rejector
from tests.models.helpers import light

VECTOR = np.array([[1.0, 0.0], [0.6, 0.8]], np.float32)
INTENT = np.array([[0.0, 0.0, 0.0], [1000.0, 0.0, 0.0]], np.float32)
PRESENCE = np.array([[-3.0, -1.0, -2.0], [2.0, -5.0, 1.0]], np.float32)
FITTED = Rejector(
    weights=(-1.0, -0.5, -2.0, 1.5), bias=0.25, mean=(0.5, 2.0, 0.7, 0.1), scale=(2.0, 0.5, 0.1, 0.4),
    centroids=((0.0, 1.0), (0.8, 0.6)), direction=(0.5, -1.0),
)  # fmt: skip


def test_features_are_the_best_presence_the_energy_the_nearest_centroid_and_the_direction() -> None:
    found = dict(zip(FEATURES, FITTED.features(VECTOR, INTENT, PRESENCE).T.tolist(), strict=True))
    assert found["presence"] == [-1, 2]
    assert found["energy"] == pytest.approx([np.log(3), 1000])  # and no overflow
    assert found["neighbour"] == pytest.approx([0.8, 0.96])
    assert found["direction"] == pytest.approx([0.5, -0.5])


@pytest.mark.parametrize("name", ["neighbour", "direction"])
def test_before_calibration_the_vector_says_nothing(name: str) -> None:
    assert Rejector().features(VECTOR, INTENT, PRESENCE)[:, FEATURES.index(name)].tolist() == [0, 0]


def test_the_probability_is_the_logistic_function_of_standardised_features() -> None:
    row = FITTED.features(VECTOR, INTENT, PRESENCE)[0]
    logit = 0.25 - (row[0] - 0.5) / 2 - 0.5 * (row[1] - 2) / 0.5 - 2 * (row[2] - 0.7) / 0.1 + 1.5 * (row[3] - 0.1) / 0.4
    got = FITTED.probability(VECTOR, INTENT, PRESENCE)
    assert got[0] == pytest.approx(1 / (1 + np.exp(-logit)))
    assert got.shape == (2,)
    assert ((got >= 0) & (got <= 1)).all()


@light
@given(st.floats(-10, 10), st.floats(0, 5))
def test_by_default_a_present_intent_speaks_against_it(presence: float, more: float) -> None:
    rows = np.array([[presence], [presence + more]], np.float32)
    lower, higher = Rejector().probability(VECTOR, INTENT, rows)
    assert higher <= lower


def test_a_row_does_not_hang_on_the_others() -> None:
    together = FITTED.probability(VECTOR, INTENT, PRESENCE)
    alone = [FITTED.probability(VECTOR[row : row + 1], INTENT[row : row + 1], PRESENCE[row : row + 1])[0] for row in range(2)]
    assert together == pytest.approx(alone, rel=1e-6)


def test_no_rows_give_no_probabilities() -> None:
    assert FITTED.probability(VECTOR[:0], INTENT[:0], PRESENCE[:0]).shape == (0,)


def test_its_json_form_comes_back() -> None:
    for rejector in (FITTED, Rejector(), replace(FITTED, centroids=(), direction=())):
        assert Rejector.from_json(json.loads(json.dumps(asdict(rejector)))) == rejector
