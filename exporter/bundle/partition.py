"""Cut the graph: find the tensors that cross each position, and build the shard between two positions.

Positions lie between nodes that compute on data. What takes no data to compute (views and casts of weights,
masks of fixed size, the batch size and what is made from it alone) never crosses: each shard that needs it
computes it again. A shard's initializers are references (offset, length) into the bundle's one weights file.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from exporter.bundle.tensors import Tensor
from exporter.errors import GraphError

__all__ = [
    "BATCH",
    "HEAVY",
    "RESERVED",
    "Cuttable",
    "batch_nodes",
    "gives_the_same",
    "independent_values",
    "is_independent",
    "names_used",
]

BATCH: Final = "edgecut.batch"
"""The value of the batch size in a graph, int64 of shape [1]: what makes it reads the shape of an input."""

RESERVED: Final = "edgecut."
"""Names of values that begin so are edgecut's own."""

_SHAPE: Final = "edgecut.batch.shape"

_RANDOM: Final = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli")
)
HEAVY: Final = frozenset(
    ("Conv", "FusedConv", "ConvInteger", "QLinearConv", "ConvTranspose")
    + ("Gemm", "QGemm", "MatMul", "FusedMatMul", "MatMulInteger", "MatMulIntegerToFloat", "MatMulNBits")
    + ("DynamicQuantizeMatMul", "QLinearMatMul", "Einsum")
    + ("GRU", "LSTM", "RNN", "Attention", "MultiHeadAttention")
)
"""Operators whose multiply-adds are counted: their results are sent rather than computed again."""


def names_used(node: onnx.NodeProto) -> Iterator[str]:
    """Yield the values that a node reads, including those that its sub-graphs capture."""
    yield from (name for name in node.input if name)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            inner = {value.name for value in (*graph.input, *graph.initializer)}
            for child in graph.node:
                yield from (name for name in names_used(child) if name not in inner)
                inner.update(child.output)
            yield from (value.name for value in graph.output if value.name not in inner)


def independent_values(
    nodes: Iterable[onnx.NodeProto], constants: Iterable[str], given: Iterable[str] = ()
) -> dict[str, onnx.NodeProto]:
    """Return the values that take no data to compute, each with the node that makes it.

    Args:
        nodes: in topological order.
        constants: names of initializers.
        given: values that count as independent, whatever makes them.
    """
    known, given = {*constants}, frozenset(given)
    made: dict[str, onnx.NodeProto] = {}
    for node in nodes:
        if is_independent(node, known) or given.issuperset(node.output):
            made.update((name, node) for name in node.output if name)
            known.update(node.output)
    return made


def is_independent(node: onnx.NodeProto, known: set[str]) -> bool:
    """Whether a node reads `known` values alone, gives the same each time, and is cheap."""
    return node.op_type not in HEAVY and gives_the_same(node) and known.issuperset(names_used(node))


def gives_the_same(node: onnx.NodeProto) -> bool:
    """Whether a node gives the same for the same inputs; not told of a node with sub-graphs."""
    has_graph = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    return not has_graph and node.op_type not in _RANDOM


def batch_nodes(tensor: Tensor) -> list[onnx.NodeProto]:
    """Return the nodes that make `BATCH` of the shape of this tensor, in order.

    Raises:
        GraphError: none of its dimensions follows the batch.
    """
    for axis, dim in enumerate(tensor.shape):
        if isinstance(dim, str):
            factor = tensor.concrete(1)[axis]
            index = helper.make_tensor("", TensorProto.INT64, [1], [axis])
            return [
                helper.make_node("Shape", [tensor.name], [_SHAPE]),
                helper.make_node("Constant", [], [f"{BATCH}.axis"], value=index),
                *_one_of(_SHAPE, f"{BATCH}.axis", factor),
            ]
    raise GraphError(f'no dimension of tensor "{tensor.name}" follows the batch')


def _one_of(shape: str, axis: str, factor: int) -> list[onnx.NodeProto]:
    if factor == 1:
        return [helper.make_node("Gather", [shape, axis], [BATCH], axis=0)]
    by = helper.make_tensor("", TensorProto.INT64, [1], [factor])
    return [
        helper.make_node("Gather", [shape, axis], [f"{BATCH}.multiple"], axis=0),
        helper.make_node("Constant", [], [f"{BATCH}.factor"], value=by),
        helper.make_node("Div", [f"{BATCH}.multiple", f"{BATCH}.factor"], [BATCH]),
    ]


class Cuttable:
    """A graph as cuts see it.

    Attributes:
        model: the whole graph.
        nodes: those that compute on data, in topological order; positions lie between them.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self._constants = {each.name: each for each in graph.initializer}
        batch = {name for node in graph.node for name in node.output if name.startswith(BATCH)}
        self._independent = independent_values(graph.node, self._constants, batch)
        self.nodes = [
            node for node in graph.node if not any(name in self._independent for name in node.output)
        ]

    @cached_property
    def _places(self) -> dict[str, int]:
        """The place of the node that makes each value."""
        return {name: place for place, node in enumerate(self.model.graph.node) for name in node.output}

    def reads(self, node: onnx.NodeProto) -> Iterator[str]:
        """Yield the data that a node of `nodes` reads."""
        constants, independent = self._constants, self._independent
        yield from (name for name in names_used(node) if name not in constants and name not in independent)

    def makers_of(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Return the nodes that make what a node reads and that takes no data, in order."""
        return self._makers_of(names_used(node))

    def _makers_of(self, names: Iterable[str]) -> list[onnx.NodeProto]:
        """The nodes that make those of these values that take no data, and what they need, in order."""
        found: dict[int, onnx.NodeProto] = {}
        pending = [name for name in names if name in self._independent]
        while pending:
            name = pending.pop()
            if self._places[name] not in found:
                node = found[self._places[name]] = self._independent[name]
                pending += [name for name in names_used(node) if name in self._independent]
        return [found[place] for place in sorted(found)]

    def crossing(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of the tensors that cross each position 0 to n, in order of production.

        A tensor crosses when a node before the position produces it and a node after it reads it, or when it
        is an output of the graph. Graph inputs count as produced at 0.
        """
        graph, count = self.model.graph, len(self.nodes)
        inputs = [value.name for value in graph.input if value.name not in self._constants]
        born = dict.fromkeys(inputs, 0)
        dies: dict[str, int] = {}
        for position, node in enumerate(self.nodes):
            dies.update((name, position) for name in self.reads(node))
            born.update((name, position + 1) for name in node.output if name)
        dies.update((value.name, count) for value in graph.output)
        crossing: list[list[str]] = [[] for _ in range(count + 1)]
        for name, start in born.items():
            for position in range(max(start, 1), min(dies.get(name, -1), count - 1) + 1):
                crossing[position].append(name)
        # The ends are the model's own signature, in its own order, used or not.
        crossing[0] = inputs
        crossing[count] = [value.name for value in graph.output]
        return tuple(tuple(names) for names in crossing)

    def shard(self, start: int, stop: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
        """Return the shard of nodes ``[start, stop)`` as ONNX bytes, the same bytes each time.

        `inputs` cross `start` and `outputs` cross `stop`. The shard passes a tensor through that is in both
        and that none of its nodes produces, which ONNX Runtime allows.

        Raises:
            GraphError: it needs the batch size, and no input tells it.
        """
        own = self.nodes[start:stop]
        wanted = [name for node in own for name in names_used(node)]
        made = self._makers_of([*wanted, *(tensor.name for tensor in outputs)])
        if start and any(BATCH in node.output for node in made):
            rest = [node for node in made if not node.output[0].startswith(BATCH)]
            made = [*_batch_of(inputs, start), *rest]
        nodes = [*made, *own]
        used = {name for node in nodes for name in names_used(node)}
        graph = helper.make_graph(
            nodes,
            f"{start}-{stop}",
            [_value(tensor) for tensor in inputs],
            [_value(tensor) for tensor in outputs],
            [each for name, each in self._constants.items() if name in used],
        )
        model = self.model
        shard = helper.make_model(graph, ir_version=model.ir_version, opset_imports=list(model.opset_import))
        content: bytes = shard.SerializeToString(deterministic=True)
        return content


def _batch_of(inputs: Sequence[Tensor], start: int) -> list[onnx.NodeProto]:
    for tensor in inputs:
        if any(isinstance(dim, str) for dim in tensor.shape):
            return batch_nodes(tensor)
    raise GraphError(f"nothing that crosses cut {start} tells the batch size, which is needed after it")


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return helper.make_tensor_value_info(tensor.name, element, list(tensor.shape))
