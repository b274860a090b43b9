"""Torch and the exported graph agree, a graph that does not is refused, and speed is never bought with quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from data.errors import ParityError
from models import export
from models.encoder import OUTPUTS, OnnxEncoder
from models.export import PARITY_TOLERANCE, Variant, check_parity, choose_variant, export_onnx, quantise, variant_rows
from models.fusion import fuse_attention
from models.inputs import InputFormat
from models.network import CustomerServiceModel
from models.training import predict, predict_tokens
from tests.models.networks import LEXICON, PAIRS, TOKENIZER, network

FORM = InputFormat(prefix="", max_tokens=100)


@pytest.fixture(scope="module")
def model() -> CustomerServiceModel:
    """A network with fitted n-grams."""
    made = network()
    made.lexical.set(torch.randn(len(LEXICON.idf), 5), (0.5, 1.0, 2.0))
    return made


@pytest.fixture(scope="module")
def folder(model: CustomerServiceModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported graph with its tokenizer and lexicon."""
    path = tmp_path_factory.mktemp("export")
    export_onnx(model, path / "model.onnx")
    TOKENIZER.save(str(path / "tokenizer.json"))
    LEXICON.save(path / "lexicon.json")
    return path


def opened(folder: Path, graph: Path | None = None) -> OnnxEncoder:
    return OnnxEncoder(graph or folder / "model.onnx", folder / "tokenizer.json", folder / "lexicon.json", FORM)


def operators(path: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_attention_is_one_operator_a_layer_and_padding_is_not_attended_to(folder: Path) -> None:
    kinds = operators(folder / "model.onnx")
    assert kinds["Attention"] == 2 and kinds["IsNaN"] == 0
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    ids, none = np.array([[0, 9, 8, 7, 2]]), np.zeros((1, 1), np.int64)

    def run(padding: int) -> list[np.ndarray]:
        shape = ((0, 0), (0, padding))
        feeds = {
            "input_ids": np.pad(ids, shape, constant_values=1), "attention_mask": np.pad(np.ones_like(ids), shape),
            "token_type_ids": np.pad(np.zeros_like(ids), shape), "ngram_ids": none, "ngram_weights": none.astype(np.float32),
        }  # fmt: skip
        return list(session.run(list(OUTPUTS), feeds))

    (*bare, tokens), (*padded, longer) = run(0), run(6)
    assert all(np.allclose(one, other, atol=1e-5) for one, other in zip(bare, padded, strict=True))
    assert np.allclose(tokens, longer[:, : ids.shape[1]], atol=1e-5)


def test_a_graph_without_attention_is_left_as_it_is(tmp_path: Path) -> None:
    value = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [2, 3]) for name in "xy"]
    node = onnx.helper.make_node("Softmax", ["x"], ["y"])
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", value[:1], value[1:])), tmp_path / "g.onnx")
    before = (tmp_path / "g.onnx").read_bytes()
    assert fuse_attention(tmp_path / "g.onnx", heads=2) == 0 and (tmp_path / "g.onnx").read_bytes() == before


def test_the_graph_gives_what_torch_gives(model: CustomerServiceModel, folder: Path) -> None:
    worst = check_parity(model, TOKENIZER, LEXICON, opened(folder), PAIRS)
    assert 0 <= worst < 1e-4 < PARITY_TOLERANCE
    expected, got = predict(model, TOKENIZER, PAIRS, LEXICON), opened(folder).encode_prepared(PAIRS)
    for name, array in zip(OUTPUTS[:-1], expected, strict=True):
        assert getattr(got, name).shape == array.shape
        assert np.array_equal(getattr(got, name).argmax(-1), array.argmax(-1))
    for one, other in zip(got.tokens, predict_tokens(model, TOKENIZER, PAIRS), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.parametrize("part", ["projection", "intent", "presence", "emotion", "outside", "token_projection"])
def test_a_difference_is_named(part: str, model: CustomerServiceModel, folder: Path) -> None:
    weight = getattr(model, part).weight
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight[0, 0].add_(1.0)  # one only: the features sum to about zero
        with pytest.raises(
            ParityError, match={"projection": "vector", "token_projection": "tokens"}.get(part, part) + ": torch and ONNX differ by"
        ):
            check_parity(model, TOKENIZER, LEXICON, opened(folder), PAIRS)
    finally:
        with torch.no_grad():
            weight.copy_(kept)
    check_parity(model, TOKENIZER, LEXICON, opened(folder), PAIRS)


def test_a_graph_without_the_n_grams_is_refused(model: CustomerServiceModel, folder: Path, tmp_path: Path) -> None:
    shares = model.lexical.shares.tolist()
    model.lexical.set(model.lexical.weights, (0.0, 0.0, 0.0))
    export_onnx(model, tmp_path / "plain.onnx")
    model.lexical.set(model.lexical.weights, shares)
    with pytest.raises(ParityError, match="intent"):
        check_parity(model, TOKENIZER, LEXICON, opened(folder, tmp_path / "plain.onnx"), PAIRS)


def test_the_graph_holds_no_training_state(folder: Path) -> None:
    model = network(dropout=0.5)
    model.lexical.set(torch.randn(len(LEXICON.idf), 5), (1.0, 1.0, 1.0))
    model.train()
    export_onnx(model, folder / "trained.onnx")
    once, twice = (opened(folder, folder / "trained.onnx").encode_prepared(PAIRS[:1]) for _ in range(2))
    assert np.array_equal(once.intent, twice.intent)
    assert check_parity(model, TOKENIZER, LEXICON, opened(folder, folder / "trained.onnx"), PAIRS) < 1e-4
    assert operators(folder / "trained.onnx")["Dropout"] == 0


def test_quantising_leaves_out_what_it_is_told_to(folder: Path, tmp_path: Path) -> None:
    full, kept = tmp_path / "int8.onnx", tmp_path / "int8_ffn_fp32.onnx"
    quantise(folder / "model.onnx", full, float_layers=0)
    quantise(folder / "model.onnx", kept, float_layers=1)
    assert operators(folder / "model.onnx")["MatMulInteger"] == 0
    assert operators(full)["MatMulInteger"] == 6, "three products a layer, and nothing of what comes after the layers"
    assert operators(kept)["MatMulInteger"] == 5, "one product of the last layer stays float32"
    names = {node.name for node in onnx.load(kept).graph.node if node.op_type == "MatMul"}
    assert names - {node.name for node in onnx.load(full).graph.node} == {"/output/dense_1/MatMul"}, "the last layer's FFN"
    quantise(folder / "model.onnx", kept, float_layers=9)
    assert operators(kept)["MatMulInteger"] == 4, "and one of each layer if asked"
    assert operators(kept)["QAttention"] == operators(full)["QAttention"] == 2
    expected = opened(folder).encode_prepared(PAIRS).vector
    for path in (full, kept):
        assert (opened(folder, path).encode_prepared(PAIRS).vector * expected).sum(1) == pytest.approx(1, abs=0.02)


def test_what_follows_the_trunk_stays_float32(folder: Path, tmp_path: Path) -> None:
    quantise(folder / "model.onnx", tmp_path / "int8.onnx", float_layers=0)
    plain = {node.name for node in onnx.load(tmp_path / "int8.onnx").graph.node if node.op_type == "MatMul"}
    assert {"/intent_weigher/MatMul", "/emotion_weigher/MatMul", "/projection/MatMul", "/token_projection/MatMul"} <= plain


def chosen(
    folder: Path, workplace: Path, measure: Callable[[OnnxEncoder], dict[str, float]], tolerance: float
) -> tuple[Path, list[Variant]]:
    return choose_variant(
        folder / "model.onnx", folder / "tokenizer.json", folder / "lexicon.json", FORM, workplace=workplace, measure=measure,
        tolerance=tolerance, threads=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("qualities", "times", "tolerance", "name"),
    [
        ((0.9, 0.9), (3.0, 1.0), 0.0, "int8_ffn_fp32_2"),  # equal: the fastest
        ((0.9, 0.88, 0.9), (3.0, 1.0, 2.0), 0.01, "int8_ffn_fp32_99"),  # the fastest loses too much
        ((0.9, 0.88), (3.0, 1.0), 0.03, "int8_ffn_fp32_2"),
        ((0.9, 0.8, 0.8), (4.0, 1.0, 2.0), 0.01, "fp32"),
        ((0.9, 0.95), (1.0, 2.0), 0.0, "fp32"),  # better, but slower
    ],
)
def test_the_fastest_that_is_good_enough_is_chosen(
    qualities: tuple[float, ...], times: tuple[float, ...], tolerance: float, name: str, folder: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    clock, quality = iter(times), iter(qualities)
    monkeypatch.setattr(export, "_median_milliseconds", lambda _: next(clock))
    path, variants = chosen(folder, tmp_path, lambda _: {"other": 1.0, "intent": next(quality)}, tolerance)
    assert path == (folder / "model.onnx" if name == "fp32" else tmp_path / f"{name}.onnx")
    assert variants[0].name == name
    made = ["fp32", "int8_ffn_fp32_2", "int8_ffn_fp32_99"][: len(qualities)]  # each only where the last loses too much
    assert {variant.name for variant in variants} == set(made)
    assert variant_rows(variants)[0] == {
        "name": name, "megabytes": pytest.approx(path.stat().st_size / 1e6), "milliseconds": variants[0].milliseconds,
        "quality": variants[0].quality, "chosen": True,
    }  # fmt: skip
    assert [row["chosen"] for row in variant_rows(variants)] == [True] + [False] * (len(variants) - 1)


def test_each_graph_is_measured_itself(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "_FLOAT_LAYERS", (0, 99))  # the network has two layers
    vectors: list[np.ndarray] = []

    def measure(encoder: OnnxEncoder) -> dict[str, float]:
        vectors.append(encoder.encode_prepared(PAIRS).vector)
        return {"intent": 1.0 if len(vectors) == 1 else 0.5}

    _, variants = chosen(folder, tmp_path, measure, 0.0)
    assert all(variant.milliseconds > 0 for variant in variants)
    assert np.array_equal(vectors[0], opened(folder).encode_prepared(PAIRS).vector)
    assert not np.array_equal(vectors[0], vectors[1])
    assert not np.array_equal(vectors[1], vectors[2])
