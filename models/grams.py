"""Character n-grams as numbers, of thousands of texts at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BITS = 21  # of a code point; three fit into an int64


def grams(texts: Sequence[str], *sizes: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Returns each n-gram's text, by number, and the n-gram itself as a number, size by size. Shapes: (m,) and (m,), int64.

    Args:
        texts: Without NUL characters, whose n-grams would be taken for shorter ones.
        sizes: From 1 to 3 characters.
    """
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)
    owners = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    found = []
    for size in sizes:
        count = max(0, len(codes) - size + 1)
        numbers = np.zeros(count, np.int64)
        for place in range(size):
            numbers = (numbers << _BITS) | codes[place : place + count]
        whole = owners[:count] == owners[len(codes) - count :]  # of one text
        found.append((owners[:count][whole], numbers[whole]))
    return np.concatenate([own for own, _ in found]), np.concatenate([numbers for _, numbers in found])


def places_of(numbers: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns where each number stands among those known (ascending, distinct), or -1. Shape: that of `numbers`."""
    if not len(known):
        return np.full(len(numbers), -1, np.int64)
    places = np.minimum(np.searchsorted(known, numbers), len(known) - 1)
    return np.where(known[places] == numbers, places, -1)
