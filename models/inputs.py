"""How a message and the turns before it become token ids: the one path for training, indexing and serving."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data.masking import mask_pii
from data.normalise import for_model
from data.types import Speaker, Utterance

# Twenty digits of an order number are twenty tokens that drown the five of what the customer wants.
_LONG_NUMBER = re.compile(r"\d{8,}")
_NUMBER_SIGN = "#"
_MARKS = {Speaker.USER: "客:", Speaker.AGENT: "服:"}


@dataclass(frozen=True, slots=True)
class InputFormat:
    """What the encoder reads.

    Attributes:
        prefix: Put before each message; e5 was trained with "query: ".
        max_tokens: Longest input in tokens, message and context together.
        message_characters: A longer message keeps its head (three quarters) and its tail.
        context_turns: How many earlier turns are shown to the model; 0 turns context off.
        context_below: Only messages of at most this many characters get their context: longer ones speak for themselves.
        context_characters: Longest context; the newest part is kept.
        turn_characters: Of each earlier turn so many, the last ones, are shown, so that a long reply leaves room for the want before
            it; 0 shows all.
    """

    prefix: str = "query: "
    max_tokens: int = 192
    message_characters: int = 160
    context_turns: int = 0
    context_below: int = 16
    context_characters: int = 48
    turn_characters: int = 0


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """Padded token ids. Every array has shape (n, length), int64; `types` is 0 for the message, 1 for the context."""

    ids: NDArray[np.int64]
    mask: NDArray[np.int64]
    types: NDArray[np.int64]


def message_text(text: str, input_format: InputFormat) -> str:
    """Returns a message as the encoder reads it: masked, normalised, long numbers as one sign, cut to head and tail, prefixed."""
    words = _words(text)
    limit = input_format.message_characters
    if len(words) > limit:
        head = limit * 3 // 4
        words = f"{words[:head]}…{words[len(words) - (limit - head) :]}"
    return input_format.prefix + words


def context_text(text: str, history: Sequence[Utterance], input_format: InputFormat) -> str:
    """Returns the newest turns before a message as the encoder reads them; empty when off, absent, or not needed."""
    if input_format.context_turns == 0 or not history or len(text) > input_format.context_below:
        return ""
    limit = input_format.turn_characters
    turns = (f"{_MARKS[turn.speaker]}{_words(turn.text)[-limit:]}" for turn in history[-input_format.context_turns :])
    return " ".join(turns)[-input_format.context_characters :]


def _words(text: str) -> str:
    return _LONG_NUMBER.sub(_NUMBER_SIGN, for_model(mask_pii(text)))


def tokenise(tokenizer: Tokenizer, message: str, context: str) -> tuple[list[int], list[int]]:
    """Returns (token ids, token types) of a message and its context, both as the two functions above made them."""
    encoding = tokenizer.encode(message, context or None)
    return encoding.ids, encoding.type_ids


def pad(rows: Sequence[tuple[list[int], list[int]]], *, pad_id: int) -> TokenBatch:
    """Returns the rows padded to the longest of them."""
    length = max(len(ids) for ids, _ in rows)
    ids = np.full((len(rows), length), pad_id, np.int64)
    mask = np.zeros_like(ids)
    types = np.zeros_like(ids)
    for number, (row, row_types) in enumerate(rows):
        ids[number, : len(row)] = row
        mask[number, : len(row)] = 1
        types[number, : len(row)] = row_types
    return TokenBatch(ids, mask, types)
