"""Runs the exported graph: onnxruntime, tokenizers and numpy only. The serving process loads this, never torch."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer

from data.errors import BundleError
from data.types import Utterance
from models.inputs import InputFormat, context_text, message_text, tokenise
from models.lexical import Lexicon

OUTPUTS = ("vector", "intent", "presence", "emotion", "outside", "tokens")

# Its fused kernel takes almost four times as long as addition and normalisation apart: 1.31 instead of 0.35 ms a message of 25 tokens.
_DISABLED = ["SkipLayerNormFusion"]


@dataclass(frozen=True, slots=True)
class Encoded:
    """The graph's outputs for n messages, in their order, float32.

    Attributes:
        vector: Unit length. Shape: (n, hidden).
        intent: Ranking logits. Shape: (n, intents).
        presence: Independent logits. Shape: (n, intents).
        emotion: Logits. Shape: (n, emotions).
        outside: Logit of being out of scope. Shape: (n,).
        tokens: Unit vectors of each message's own tokens. Shapes: (length, width).
    """

    vector: NDArray[np.float32]
    intent: NDArray[np.float32]
    presence: NDArray[np.float32]
    emotion: NDArray[np.float32]
    outside: NDArray[np.float32]
    tokens: tuple[NDArray[np.float32], ...]


class OnnxEncoder:
    """The trunk and its heads as one graph. One pass a message.

    Rows run one by one: dynamic int8 takes its scales over the whole batch, and a text's scores must not depend on its
    neighbours. Several threads run several rows at once.
    """

    def __init__(self, model: Path, tokenizer: Path, lexicon: Path, input_format: InputFormat, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # A worker with nothing to do must not spin on the core that another one needs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(model), options, providers=["CPUExecutionProvider"], disabled_optimizers=_DISABLED
            )
        except Exception as error:  # onnxruntime raises its own undocumented types
            raise BundleError(f"{model.name} cannot be loaded by onnxruntime ({error}); export the bundle again") from error
        self._tokenizer = Tokenizer.from_file(str(tokenizer))
        self._tokenizer.enable_truncation(input_format.max_tokens, strategy="longest_first")
        self._tokenizer.no_padding()
        self._lexicon = Lexicon.load(lexicon)
        self.input_format = input_format
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self.calls = 0

    @property
    def dimension(self) -> int:
        """Length of the retrieval vector."""
        return int(self._session.get_outputs()[0].shape[-1])

    @property
    def widths(self) -> tuple[int, int]:
        """Number of intents and of emotions that the graph scores."""
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        return int(shapes["intent"][-1]), int(shapes["emotion"][-1])

    def encode(self, texts: Sequence[str], histories: Sequence[Sequence[Utterance]] | None = None) -> Encoded:
        """Returns the outputs for raw texts, each with the turns before it (none by default)."""
        given = histories if histories is not None else [()] * len(texts)
        pairs = [
            (message_text(text, self.input_format), context_text(text, history, self.input_format))
            for text, history in zip(texts, given, strict=True)
        ]
        return self.encode_prepared(pairs)

    def encode_prepared(self, pairs: Sequence[tuple[str, str]]) -> Encoded:
        """Returns the outputs for (message, context) as `models.inputs` made them."""
        if not pairs:
            hidden, (intents, emotions) = self.dimension, self.widths
            vector, intent, presence, emotion = (np.zeros((0, width), np.float32) for width in (hidden, intents, intents, emotions))
            return Encoded(vector, intent, presence, emotion, np.zeros(0, np.float32), ())
        rows = list(map(self._run, pairs) if self._pool is None else self._pool.map(self._run, pairs))
        self.calls += len(rows)
        *scores, tokens = zip(*rows, strict=True)
        vector, intent, presence, emotion, outside = map(np.concatenate, scores)
        return Encoded(vector, intent, presence, emotion, outside, tokens)

    def _run(self, pair: tuple[str, str]) -> list[NDArray[np.float32]]:
        ids, types = tokenise(self._tokenizer, *pair)
        ngrams, weights = self._lexicon.encode(*pair)
        feeds = {
            "input_ids": np.array([ids], np.int64),
            "attention_mask": np.ones((1, len(ids)), np.int64),
            "token_type_ids": np.array([types], np.int64),
            "ngram_ids": ngrams[None, :],
            "ngram_weights": weights[None, :],
        }
        *scores, tokens = self._session.run(OUTPUTS, feeds)
        return [*scores, tokens[0, : len(types) - sum(types)]]  # the context comes after the message
