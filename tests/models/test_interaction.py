"""Texts compared word by word: as a plain loop would, and the same from the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.interaction import TokenStore
from tests.models.helpers import embedded, light, tokens_of

HAN = "快递到哪了退货款发票"
SENTENCE = st.text(HAN, min_size=1, max_size=9)


def drawn(lengths: list[int], *, seed: int, width: int = 5) -> list[NDArray[np.float32]]:
    """Returns texts of some lengths, each of unit vectors."""
    generator = np.random.default_rng(seed)
    texts = [generator.normal(size=(length, width)) for length in lengths]
    return [(text / np.linalg.norm(text, axis=1, keepdims=True)).astype(np.float32) for text in texts]


@light
@given(st.lists(st.integers(1, 7), min_size=1, max_size=8), st.integers(1, 6), st.integers(0, 99), st.data())
def test_a_comparison_is_that_of_a_plain_loop(lengths: list[int], own: int, seed: int, data: st.DataObject) -> None:
    *texts, query = drawn([*lengths, own], seed=seed)
    store = TokenStore.of(texts)
    chosen = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=10))  # in any order, twice if asked
    got = store.compare(query, np.array(chosen, np.int64))
    assert got.found.shape == (own, len(chosen)) and got.back.shape == (len(chosen),)
    assert got.found.dtype == got.back.dtype == np.float32
    for place, number in enumerate(chosen):
        text = texts[number]
        there = [max(float(token @ other) for other in text) for token in query]
        back = [max(float(token @ other) for other in query) for token in text]
        assert got.found[:, place] == pytest.approx(there, abs=2e-3)  # half precision
        assert got.back[place] == pytest.approx(np.mean(back), abs=2e-3)


@light
@given(st.lists(SENTENCE, min_size=1, max_size=6), SENTENCE)
def test_a_text_finds_all_of_itself_and_what_it_holds(texts: list[str], query: str) -> None:
    got = embedded([*texts, query]).tokens.compare(tokens_of(query), np.arange(len(texts) + 1))
    assert got.found[:, -1] == pytest.approx(1, abs=2e-3) and got.back[-1] == pytest.approx(1, abs=2e-3)
    for place, text in enumerate(texts):
        assert (got.found[:, place].min() > 0.999) == (set(query) <= set(text))
        assert (got.back[place] > 0.999) == (set(text) <= set(query))


@light
@given(st.lists(st.integers(1, 7), max_size=6), st.integers(0, 99))
def test_what_comes_from_the_disk_is_what_is_in_memory(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], seed: int
) -> None:
    *texts, query = drawn([*lengths, 4], seed=seed)
    store, path = TokenStore.of(texts), tmp_path_factory.getbasetemp() / "tokens.npz"
    store.save(path)
    loaded = TokenStore.load(path)
    assert loaded.size == store.size == len(texts)
    assert all(np.array_equal(loaded[number], store[number]) for number in range(len(texts)))
    again = TokenStore.of([loaded[number] for number in range(len(texts))])  # as a changed knowledge base takes texts over
    for number, text in enumerate(texts):
        assert store[number] == pytest.approx(text, abs=1e-3)
        one, other, third = (own.compare(query, np.array([number])) for own in (store, loaded, again))
        assert np.array_equal(one.found, other.found) and np.array_equal(one.back, other.back)
        assert np.array_equal(one.found, third.found) and np.array_equal(one.back, third.back)


def test_it_is_rounded_before_it_is_compared_and_takes_two_bytes_a_number(tmp_path: Path) -> None:
    (text,) = drawn([400], seed=0, width=64)
    store = TokenStore.of([text])
    assert np.array_equal(store[0], text.astype(np.float16).astype(np.float32))
    assert not np.array_equal(store[0], text)
    store.save(tmp_path / "tokens.npz")
    assert (tmp_path / "tokens.npz").stat().st_size < 1.1 * 2 * text.size


def test_a_pickle_is_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "tokens.npz", vectors=np.array([{}], object), counts=np.array([1], np.int32))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        TokenStore.load(tmp_path / "tokens.npz")
