"""Rewrites the attention of an exported graph as onnxruntime's own operator. Training code only (onnx)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, helper, numpy_helper

_DOMAIN = "com.microsoft"
_LAYOUT = {"Reshape", "Transpose"}


def fuse_attention(path: Path, *, heads: int) -> int:
    """Puts one Attention in the place of each that is spelt out, its three projections too, and returns how many there were.

    The exporter spells attention out in some forty nodes a layer, most of which compute shapes: for a message of a dozen tokens
    they cost as much as the products. As one operator with its projections it also quantises to one. Patterns that are not as
    BERT's are left as they are.

    Args:
        path: The float32 graph; it is written anew.
        heads: Attention heads of the trunk.
    """
    model = onnx.load(path)
    graph = _Graph(model)
    fused = [node for softmax in list(graph.nodes) if softmax.op_type == "Softmax" and (node := graph.attention(softmax, heads))]
    if fused:
        mask = helper.make_node("Cast", ["attention_mask"], ["attention_mask_int32"], to=onnx.TensorProto.INT32)
        graph.replace(mask, fused)
        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
        onnx.save(model, path)
    return len(fused)


class _Graph:
    """Who makes and who takes each value."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes: list[NodeProto] = list(model.graph.node)
        self.constants = {value.name: value for value in model.graph.initializer}
        for node in self.nodes:  # equal constants are kept once, and passed on
            if node.op_type == "Identity" and node.input[0] in self.constants:
                self.constants[node.output[0]] = self.constants[node.input[0]]
        self.makers = {name: node for node in self.nodes for name in node.output}
        self.takers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)

    def attention(self, softmax: NodeProto, heads: int) -> NodeProto | None:
        """Returns the operator that does what a softmax and the nodes around it do, or None if they are not an attention."""
        added = self._maker(softmax.input[0], "Add")
        scores = next((node for name in (added.input if added else ()) if (node := self._maker(name, "MatMul"))), None)
        context = self._taker(softmax.output[0], "MatMul")
        if scores is None or context is None:
            return None
        projections = [self._projection(name) for name in (*scores.input, context.input[1])]
        output = self._after_layout(context.output[0])
        sources = {projection[0] for projection in projections if projection is not None}
        if output is None or None in projections or len(sources) != 1:
            return None
        names = [f"{softmax.name}_fused_{part}" for part in ("weight", "bias")]
        for place, name in enumerate(names, 1):  # query, key and value side by side
            joined = np.concatenate([projection[place] for projection in projections if projection is not None], axis=-1)
            self.model.graph.initializer.append(numpy_helper.from_array(joined, name))
        return helper.make_node(
            "Attention", [*sources, *names, "attention_mask_int32"], [output], name=f"{softmax.name}_fused", domain=_DOMAIN,
            num_heads=heads,
        )  # fmt: skip

    def replace(self, added: NodeProto, fused: list[NodeProto]) -> None:
        """Puts nodes in the place of those that make the same values, another before them all, and drops what nobody takes now."""
        instead = {node.output[0]: node for node in fused}
        wanted = {output.name for output in self.model.graph.output}
        kept: list[NodeProto] = []
        for node in reversed([added, *(instead.get(node.output[0], node) for node in self.nodes)]):
            if not wanted.isdisjoint(node.output):
                wanted.update(node.input)
                kept.append(node)
        del self.model.graph.node[:]
        self.model.graph.node.extend(reversed(kept))
        used = [value for value in self.model.graph.initializer if value.name in wanted]
        del self.model.graph.initializer[:]
        self.model.graph.initializer.extend(used)

    def _maker(self, name: str, kind: str) -> NodeProto | None:
        node = self.makers.get(name)
        return node if node is not None and node.op_type == kind else None

    def _taker(self, name: str, kind: str) -> NodeProto | None:
        """The first node of a kind that takes a value, also through the guard against NaN that follows a softmax."""
        for node in self.takers.get(name, []):
            if node.op_type == kind:
                return node
            if node.op_type == "Where":
                return self._taker(node.output[0], kind)
        return None

    def _projection(self, name: str) -> tuple[str, NDArray[np.float32], NDArray[np.float32]] | None:
        """What is projected, with the weights and the bias, to the value that was scaled and cut into heads."""
        before = self._before_layout(name)
        added = self._maker(before, "Add") if before is not None else None
        product = next((node for value in (added.input if added else ()) if (node := self._maker(value, "MatMul"))), None)
        if added is None or product is None:
            return None
        bias = next((self.constants[value] for value in added.input if value in self.constants), None)
        weight = self.constants.get(product.input[1])
        if bias is None or weight is None:
            return None
        return product.input[0], numpy_helper.to_array(weight), numpy_helper.to_array(bias)

    def _before_layout(self, name: str) -> str | None:
        """The value of shape (n, length, hidden) before it was scaled and cut into heads."""
        node = self.makers.get(name)
        if node is not None and node.op_type == "Mul":
            node = self.makers.get(node.input[0])
        moved = node if node is not None and node.op_type == "Transpose" else None
        cut = self._maker(moved.input[0], "Reshape") if moved is not None else None
        return str(cut.input[0]) if cut is not None else None

    def _after_layout(self, name: str) -> str | None:
        """The value of shape (n, length, hidden) after the heads were put together."""
        moved = False
        while True:
            following = [node for node in self.takers.get(name, []) if node.op_type in _LAYOUT]
            if len(following) != 1:
                return name if moved else None
            name, moved = following[0].output[0], True
