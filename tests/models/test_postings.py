"""Words and n-grams as arrays, beside dictionaries and lists."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.grams import grams, places_of
from models.postings import Postings

held = st.lists(st.lists(st.integers(0, 9), unique=True), max_size=8)
texts = st.lists(st.text(st.characters(min_codepoint=1), max_size=8), max_size=5)


@given(held, st.lists(st.integers(0, 9)))
def test_what_words_find_is_what_a_dictionary_finds(documents: list[list[int]], asked: list[int]) -> None:
    pairs = np.array([(word, number) for number, own in enumerate(documents) for word in own], np.int64).reshape(-1, 2)
    postings = Postings.of(pairs[:, 0], pairs[:, 1], size=10)
    places, rows = postings.spread(np.array(asked, np.int64))
    found = list(zip(rows.tolist(), postings.documents[places].tolist(), strict=True))
    assert found == [(row, number) for row, word in enumerate(asked) for number, own in enumerate(documents) if word in own]


@given(texts, st.sets(st.integers(1, 3), min_size=1))
def test_grams_are_those_of_each_text_and_equal_where_their_characters_are(lines: list[str], sizes: set[int]) -> None:
    expected = [
        (number, line[start : start + size]) for size in sorted(sizes) for number, line in enumerate(lines)
        for start in range(len(line) - size + 1)
    ]  # fmt: skip
    owners, numbers = grams(lines, *sorted(sizes))
    assert owners.tolist() == [number for number, _ in expected]
    names = dict(zip(numbers.tolist(), (gram for _, gram in expected), strict=True))
    assert len(names) == len({gram for _, gram in expected})
    assert [names[number] for number in numbers.tolist()] == [gram for _, gram in expected]


@given(st.sets(st.integers(0, 50)), st.lists(st.integers(0, 60)))
def test_places(known: set[int], asked: list[int]) -> None:
    order = sorted(known)
    places = places_of(np.array(asked, np.int64), np.array(order, np.int64))
    assert places.tolist() == [order.index(number) if number in known else -1 for number in asked]
