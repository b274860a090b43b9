"""What an entry covers of a query, reckoned by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.types import FaqEntry
from models.coverage import CoverageIndex
from models.matching import COVERAGE
from tests.models.helpers import light

ENTRIES = [
    FaqEntry("wash", "能洗吗", ("可以水洗吗",), "用冷水。", "presale.product_info"),
    FaqEntry("ship", "发货吗", (), "今天发。", "logistics.ship_time", steps=("看订单",)),
]
INDEX = CoverageIndex(ENTRIES, [entry.questions for entry in ENTRIES])


def covered(query: str, entry: int) -> dict[str, float]:
    return dict(zip(COVERAGE, INDEX.features(query, np.array([entry]))[0].tolist(), strict=True))


def test_what_the_entry_says_itself_is_covered_whole() -> None:
    assert covered("能洗吗?", 0) == {name: (0.0 if "gap" in name else 1.0) for name in COVERAGE}
    assert covered("可以水洗吗亲", 0)["exact"] == 1, "particles make no other question of it"
    assert [covered(query, entry)["exact"] for query, entry in (("能水洗吗", 0), ("能洗吗", 1), ("", 0))] == [0, 0, 0]


def test_rare_characters_weigh_more_and_the_rarest_missing_one_is_the_gap() -> None:
    found = covered("能飞吗", 0)
    one, none = math.log(3 / 2) / math.log(3), 1.0  # 能 is in one entry, 飞 in none, 吗 in both
    assert found["char_cover"] == pytest.approx(one / (one + none), abs=1e-6)
    assert found["char_gap"] == pytest.approx(none)
    assert found["pair_cover"] == 0


def test_answer_and_steps_count_apart_from_the_questions() -> None:
    found = covered("订单", 1)
    assert (found["char_cover"], found["char_cover_all"]) == (0, 1)
    assert found["pair_gap"] == pytest.approx(math.log(3 / 2) / math.log(3)) and found["pair_gap_all"] == 0


def test_traditional_queries_are_read_in_simplified() -> None:
    assert covered("發貨嗎", 1) == covered("发货吗", 1)


@pytest.mark.parametrize("query", ["", "?!", "洗"])
def test_a_query_too_short_for_a_size_is_covered(query: str) -> None:
    assert covered(query, 0)["pair_cover"] == 1 and covered(query, 0)["pair_gap"] == 0


@light
@given(st.text(max_size=300), st.lists(st.sampled_from([0, 1]), unique=True))
def test_shares_are_shares_and_an_entry_does_not_hang_on_the_others(query: str, entries: list[int]) -> None:
    found = INDEX.features(query, np.array(entries, np.int64))
    assert found.shape == (len(entries), len(COVERAGE))
    assert ((found >= 0) & (found <= 1 + 1e-6)).all()
    for row, entry in zip(found, entries, strict=True):
        assert row.tolist() == pytest.approx(INDEX.features(query, np.array([entry]))[0].tolist(), abs=1e-6)
