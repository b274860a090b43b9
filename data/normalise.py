"""The one normaliser: training, indexing and serving all see text through it."""

from __future__ import annotations

import functools
import re
import unicodedata

from opencc import OpenCC

NORMALISER_VERSION = "1"

# Everything in Unicode categories Cc and Cf but the zero-width joiner, which holds emoji families together.
_KEPT_FORMAT = {"‍"}
_SPACES = re.compile(r"\s+")
# NFKC turns … into ...; customers type both for hesitation, so one form is enough for the model.
_DOTS = re.compile(r"[.。]{3,}")
_LONG_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)


@functools.cache
def _converter() -> OpenCC:
    return OpenCC("t2s")


def clean(text: str) -> str:
    """Returns the text in NFKC, without control characters or broken surrogates, spaces collapsed.

    This form is stored and shown: Traditional characters, emoji and punctuation survive. Idempotent.
    """
    text = unicodedata.normalize("NFKC", text)
    if text.isprintable():  # nothing of Cc, Cf or Cs is: most messages, in a fifth of the time
        return _SPACES.sub(" ", text).strip()
    kept = (
        " " if unicodedata.category(char) == "Cc" else char
        for char in text
        if char in _KEPT_FORMAT or unicodedata.category(char) not in {"Cf", "Cs"}
    )
    # NFKC again: dropping a format character may bring a base and its mark together.
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", "".join(kept))).strip()


@functools.lru_cache(maxsize=64)  # the encoder, the two word indexes and the masking read one message
def for_model(text: str) -> str:
    """Returns the form the encoder reads: `clean`, Simplified, runs of one character cut to three. Idempotent."""
    text = clean(text)
    if _has_han(text):
        text = _simplified(text)
    # Lower case may bring runs (AAaa) and composed letters (H̱) about, so it comes before both.
    text = _DOTS.sub("...", unicodedata.normalize("NFKC", text.lower()))
    return _LONG_RUN.sub(lambda match: match.group(1) * 3, text)


@functools.lru_cache(maxsize=2**16)
def for_index(text: str) -> str:
    """Returns `for_model` of a text of a knowledge base. It is remembered, for more than one index reads it, after each change."""
    return for_model(text)


def is_traditional(text: str) -> bool:
    """Tells whether converting to Simplified changes the text."""
    text = clean(text)
    return _has_han(text) and _converter().convert(text) != text


def _simplified(text: str) -> str:
    # Again until nothing changes: 乾縣 becomes 乾县, and only then 干县.
    while (simpler := _converter().convert(text)) != text:
        text = simpler
    return text


def _has_han(text: str) -> bool:
    return any("㐀" <= char <= "鿿" for char in text)
