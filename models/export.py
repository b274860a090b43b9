"""Exports the trained network to ONNX, quantises it, and checks that the engines agree. Training code only (torch)."""

from __future__ import annotations

import logging
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from tokenizers import Tokenizer

from data.errors import ParityError
from models.encoder import OUTPUTS, OnnxEncoder
from models.fusion import fuse_attention
from models.inputs import InputFormat
from models.lexical import Lexicon
from models.network import CustomerServiceModel
from models.training import predict, predict_tokens

PARITY_TOLERANCE = 2e-3  # largest difference of any output between torch and the float32 graph
_OPSET = 17
_FLOAT_LAYERS = (2, 99)  # the last two lose most by int8 (README); then all


@dataclass(frozen=True, slots=True)
class Variant:
    """A graph that was measured.

    Attributes:
        name: fp32, int8, or int8_ffn_fp32 with the number of layers whose second FFN product stays float32.
        megabytes: Size of the file.
        milliseconds: Median of one message, one thread.
        quality: Named scores on the dev split, each in [0, 1].
    """

    name: str
    megabytes: float
    milliseconds: float
    quality: dict[str, float]


def export_onnx(model: CustomerServiceModel, path: Path) -> None:
    """Writes the float32 graph: the arguments of the network's forward in, its outputs out."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Converting a tensor")  # about branches that are constant here
    warnings.filterwarnings("ignore", message="Exporting aten::index", category=UserWarning)  # our indices are never negative
    tokens = (torch.tensor([[0, 5, 6, 2, 7, 2]]), torch.ones(1, 6, dtype=torch.int64), torch.tensor([[0, 0, 0, 0, 1, 1]]))
    example = (*tokens, torch.zeros(1, 3, dtype=torch.int64), torch.ones(1, 3))
    names = ["input_ids", "attention_mask", "token_type_ids", "ngram_ids", "ngram_weights"]
    axes = {name: {0: "n", 1: "length"} for name in names[:3]} | {name: {0: "n", 1: "ngrams"} for name in names[3:]}
    axes |= {name: {0: "n"} for name in OUTPUTS} | {"tokens": {0: "n", 1: "length"}}
    # The tracing exporter: its graphs quantise to faster ones than the dynamo exporter's (measured).
    torch.onnx.export(
        model.eval(), example, str(path), input_names=names, output_names=list(OUTPUTS), dynamic_axes=axes,
        opset_version=_OPSET, dynamo=False,
    )  # fmt: skip
    fuse_attention(path, heads=model.trunk.config.num_attention_heads)


def quantise(source: Path, target: Path, *, float_layers: int) -> None:
    """Writes a dynamic int8 graph, weights per channel; the second FFN product of the last `float_layers` layers stays float32.

    What comes after the trunk stays float32 always: it runs once a message, costs nothing, and decides a softmax or a ranking.
    """
    graph = onnx.load(source, load_external_data=False).graph
    shapes = {value.name: tuple(value.dims) for value in graph.initializer}
    products = {node.name: shapes.get(node.input[1]) for node in graph.node if node.op_type == "MatMul"}
    excluded = [name for name in products if "weigher" in name or "projection" in name]
    excluded += [f"{node.name}_MatMul" for node in graph.node if node.op_type == "Gemm"]  # as the quantiser will call the heads
    narrowing = [name for name, shape in products.items() if shape and shape[0] > shape[1] and name not in excluded]
    excluded += narrowing[max(0, len(narrowing) - float_layers) :]  # one a layer, in their order
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser advises, on the root logger, an optimiser that breaks it
    quantize_dynamic(
        source, target, weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=excluded,
        op_types_to_quantize=["MatMul", "Gather", "Attention"], extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )  # fmt: skip


def check_parity(
    model: CustomerServiceModel, tokenizer: Tokenizer, lexicon: Lexicon, encoder: OnnxEncoder, pairs: Sequence[tuple[str, str]]
) -> float:
    """Returns the largest difference between torch and the float32 graph.

    Args:
        model: The trained network.
        tokenizer: Its tokenizer.
        lexicon: Its n-grams.
        encoder: The exported float32 graph.
        pairs: (message, context) as `models.inputs` made them.

    Raises:
        ParityError: A difference exceeds PARITY_TOLERANCE, or a ranking's first place changes.
    """
    expected = predict(model, tokenizer, pairs, lexicon)
    got = encoder.encode_prepared(pairs)
    tokens = predict_tokens(model, tokenizer, pairs)
    worst = max(float(np.abs(array - other).max()) for array, other in zip(tokens, got.tokens, strict=True))
    if worst > PARITY_TOLERANCE:
        raise ParityError(f"tokens: torch and ONNX differ by {worst:.2g}, expected at most {PARITY_TOLERANCE}; report this")
    for name, array in zip(OUTPUTS, expected, strict=False):
        other = getattr(got, name)
        difference = float(np.abs(array - other).max())
        worst = max(worst, difference)
        if difference > PARITY_TOLERANCE:
            raise ParityError(
                f"{name}: torch and ONNX differ by {difference:.2g}, expected at most {PARITY_TOLERANCE}; report this"
            )
        if name in ("intent", "presence", "emotion"):
            gap = np.sort(array, axis=1)[:, -1] - np.sort(array, axis=1)[:, -2]
            clear = gap > 2 * PARITY_TOLERANCE
            if not np.array_equal(array[clear].argmax(1), other[clear].argmax(1)):
                raise ParityError(f"{name}: torch and ONNX rank a text differently; report this")
    return worst


def choose_variant(
    fp32: Path, tokenizer: Path, lexicon: Path, input_format: InputFormat, *, workplace: Path,
    measure: Callable[[OnnxEncoder], dict[str, float]], tolerance: float, threads: int,
) -> tuple[Path, list[Variant]]:  # fmt: skip
    """Returns the fastest graph whose quality is nowhere more than `tolerance` below float32's, and what was measured.

    Args:
        fp32: The float32 graph.
        tokenizer: tokenizer.json.
        lexicon: lexicon.json.
        input_format: How texts are fed.
        workplace: Folder for the quantised graphs.
        measure: Gives named qualities in [0, 1] of a graph, on the dev split.
        tolerance: Loss of quality that speed may cost, in [0, 1].
        threads: Rows encoded at once while measuring quality.
    """
    files = {"fp32": fp32}

    def measured(name: str) -> Variant:
        quality = measure(OnnxEncoder(files[name], tokenizer, lexicon, input_format, threads=threads))
        milliseconds = _median_milliseconds(OnnxEncoder(files[name], tokenizer, lexicon, input_format))
        return Variant(name, files[name].stat().st_size / 1e6, milliseconds, quality)

    def quantised(name: str, float_layers: int) -> Variant:
        files[name] = workplace / f"{name}.onnx"
        quantise(fp32, files[name], float_layers=float_layers)
        return measured(name)

    def is_good(variant: Variant) -> bool:
        return all(variant.quality[key] >= reference.quality[key] - tolerance for key in reference.quality)

    reference = measured("fp32")
    variants = [reference]
    for float_layers in _FLOAT_LAYERS:  # slower and better one after the other: each is only of use where the last loses too much
        variants.append(quantised(f"int8_ffn_fp32_{float_layers}", float_layers))
        if is_good(variants[-1]):
            break
    chosen = min(filter(is_good, variants), key=lambda variant: variant.milliseconds)
    return files[chosen.name], sorted(variants, key=lambda variant: variant.name != chosen.name)


def variant_rows(variants: Sequence[Variant]) -> list[dict[str, object]]:
    """Returns what was measured as JSON rows, the chosen graph first."""
    return [asdict(variant) | {"chosen": number == 0} for number, variant in enumerate(variants)]


def _median_milliseconds(encoder: OnnxEncoder, *, rounds: int = 60) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        encoder.encode(["我前天买的鞋子怎么还没发货呀"])
        times.append((time.perf_counter() - start) * 1000)
    return statistics.median(times)
