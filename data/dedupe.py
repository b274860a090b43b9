"""Finds exact and near duplicates, so that no split holds a copy of another's rows."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from data.normalise import for_model

_NOT_WORD = re.compile(r"[^\w]+")


def dedupe_key(text: str) -> str:
    """Returns what two copies of one sentence share: letters, digits and Han in model form, nothing else.

    A text of symbols alone (emoji, ???) is its own key.
    """
    plain = for_model(text)
    return _NOT_WORD.sub("", plain) or plain


def shingles(key: str, *, size: int = 2) -> frozenset[str]:
    """Returns the set of character n-grams of a key; the key itself if it is shorter."""
    if len(key) <= size:
        return frozenset([key])
    return frozenset(key[start : start + size] for start in range(len(key) - size + 1))


def near_duplicate_pairs(
    left: Sequence[str], right: Sequence[str], *, threshold: float = 0.8, min_characters: int = 6
) -> list[tuple[int, int, float]]:
    """Returns (index in left, index in right, Jaccard similarity of character bigrams) of pairs at or over the threshold.

    Texts shorter than `min_characters` count only when equal: 好的 and 好吧 are not copies, and equal ones that short
    (好的, 在吗) are what people really type, so they are never reported.

    Args:
        left: Texts to look up.
        right: Texts to look in.
        threshold: Similarity in [0, 1].
        min_characters: Keys below this length are skipped.
    """
    right_keys = [dedupe_key(text) for text in right]
    right_sets = [shingles(key) for key in right_keys]
    holders: dict[str, list[int]] = defaultdict(list)
    for index, key in enumerate(right_keys):
        for gram in right_sets[index] if len(key) >= min_characters else ():
            holders[gram].append(index)
    pairs = []
    for left_index, text in enumerate(left):
        key = dedupe_key(text)
        if len(key) < min_characters:
            continue
        grams = shingles(key)
        shared: dict[int, int] = defaultdict(int)
        for gram in grams:
            for right_index in holders[gram]:
                shared[right_index] += 1
        for right_index, count in sorted(shared.items()):
            similarity = count / (len(grams) + len(right_sets[right_index]) - count)
            if similarity >= threshold:
                pairs.append((left_index, right_index, similarity))
    return pairs


def first_occurrences(texts: Iterable[str]) -> list[int]:
    """Returns the indices of texts whose key was not seen before, in order."""
    seen: set[str] = set()
    kept = []
    for index, text in enumerate(texts):
        key = dedupe_key(text)
        if key not in seen:
            seen.add(key)
            kept.append(index)
    return kept
