"""Replace what a graph computes of shapes alone by constants and the batch size.

Exporters write the batch size as `Shape -> Gather` of whatever tensor is at hand, and compute shapes of it
node by node. Run at three batches, every such value shows what it is: constant, or a multiple of the batch.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from exporter.bundle.chain import run_session, session_of
from exporter.bundle.partition import (
    BATCH,
    RESERVED,
    batch_nodes,
    independent_values,
    is_independent,
    names_used,
)
from exporter.bundle.tensors import Array, Arrays, Tensor
from exporter.errors import BundleError, GraphError

__all__ = ["settle_shapes"]

_BATCHES: Final = (2, 3, 5)
_MOST_BYTES: Final = 1024
_BY_CONTENT: Final = frozenset(
    ("NonZero", "Unique", "Compress", "NonMaxSuppression", "Loop", "Scan", "If", "SequenceAt", "StringSplit")
)
"""Operators whose results have a size that the data decides."""
_SHAPED_BY: Final = {
    "Reshape": (1,),
    "Expand": (1,),
    "Tile": (1,),
    "Slice": (1, 2, 3, 4),
    "Pad": (1, 3),
    "Resize": (2, 3, 4),
    "Upsample": (1,),
    "Range": (0, 1, 2),
    "ConstantOfShape": (0,),
    "TopK": (1,),
    "OneHot": (1,),
    "Split": (1,),
    "CenterCropPad": (1,),
    "MaxUnpool": (2,),
    "Col2Im": (1, 2),
    "STFT": (1, 3),
    "DFT": (1,),
}
"""By operator, the inputs whose values decide the size of its results."""


@dataclass(frozen=True)
class _Settled:
    """A value that is `constant` where its `factor` is 0, else the batch size times that."""

    constant: Array
    factor: Array

    @property
    def is_constant(self) -> bool:
        return not self.factor.any()


def settle_shapes(
    model: onnx.ModelProto, folder: Path, inputs: Mapping[str, Array], batch: int | None
) -> None:
    """Rewrite the graph in place: values of shapes first and few, nodes that compute on data after them.

    Args:
        model: the graph, normalised.
        folder: its weights' folder.
        inputs: samples by input.
        batch: the fixed batch, or None if the batch is symbolic.

    Raises:
        GraphError: ONNX Runtime cannot run the graph.
    """
    graph = model.graph
    values = _values_of_shapes(model, folder, inputs, batch)
    settled = {name: found for name, each in values.items() if (found := _settled(each)) is not None}
    for node in graph.node:
        _free_batch_of_reshape(graph, node, settled)
    frontier = _frontier(graph, settled)
    made = [node for name in frontier for node in _nodes_for(graph, name, settled[name])]
    if made:
        first = graph.input[0].name
        shape = ("batch", *inputs[first].shape[1:])
        made = [*batch_nodes(Tensor(first, str(inputs[first].dtype), shape)), *made]
    kept = [node for node in graph.node if not any(name in frontier for name in node.output)]
    _replace_nodes(graph, _living([*made, *kept], [value.name for value in graph.output]))


def _values_of_shapes(
    model: onnx.ModelProto, folder: Path, inputs: Mapping[str, Array], batch: int | None
) -> dict[str, list[Array]]:
    """What is computed of shapes and of nothing else, at each of some batches."""
    graph = model.graph
    constants = {each.name for each in graph.initializer}
    shapes = _regular_shapes(graph, constants)
    of_weights = independent_values(graph.node, constants)
    names = [name for name in independent_values(graph.node, constants, shapes) if name not in of_weights]
    if not names:
        return {}
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    del exposed.graph.output[:]
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    values: dict[str, list[Array]] = {name: [] for name in names}
    try:
        session = session_of(exposed.SerializeToString(), folder, threads=0)
        for size in _BATCHES if batch is None else (batch,):
            for name, array in run_session(session, _of_size(inputs, size)).items():
                values[name].append(np.asarray(array))
    except BundleError as error:
        raise GraphError(str(error)) from None
    return values


def _of_size(inputs: Mapping[str, Array], size: int) -> Arrays:
    return {name: array[np.arange(size) % len(array)] for name, array in inputs.items()}


def _regular_shapes(graph: onnx.GraphProto, constants: Iterable[str]) -> set[str]:
    """The results of Shape and Size of tensors whose size the data does not decide."""
    by_content: set[str] = set()
    shapes: set[str] = set()
    known = set(constants)
    for node in graph.node:
        if node.op_type in ("Shape", "Size") and node.input[0] not in by_content:
            shapes.update(node.output)
            known.update(node.output)
            continue
        deciding = [node.input[i] for i in _SHAPED_BY.get(node.op_type, ()) if i < len(node.input)]
        is_free = node.op_type in _BY_CONTENT or any(name and name not in known for name in deciding)
        if is_free or not by_content.isdisjoint(names_used(node)):
            by_content.update(node.output)
        if is_independent(node, known):
            known.update(node.output)
    return shapes


def _settled(values: Sequence[Array]) -> _Settled | None:
    """What a value is by those at `_BATCHES`; None if it is neither constant nor multiples of the batch."""
    first = values[0]
    if any(each.shape != first.shape for each in values) or first.nbytes > _MOST_BYTES or first.ndim > 1:
        return None
    if all(np.array_equal(each, first) for each in values):
        return _Settled(first, np.zeros(first.shape, np.int64))
    if first.dtype.kind != "i":
        return None
    two, three, five = (each.astype(np.int64) for each in values)
    factor = three - two
    constant = two - 2 * factor
    if (five != constant + 5 * factor).any() or ((constant != 0) & (factor != 0)).any():
        return None
    return _Settled(constant.astype(first.dtype), factor)


def _frontier(graph: onnx.GraphProto, settled: Mapping[str, _Settled]) -> list[str]:
    """Settled values that a node reads which is not settled itself, and those that are outputs."""
    read = [
        name
        for node in graph.node
        if not all(name in settled for name in node.output)
        for name in names_used(node)
    ]
    read += [value.name for value in graph.output]
    return [name for name in dict.fromkeys(read) if name in settled]


def _free_batch_of_reshape(
    graph: onnx.GraphProto, node: onnx.NodeProto, settled: Mapping[str, _Settled]
) -> None:
    """Where a reshape names the batch and constants, let it infer the batch: then nothing need know it."""
    shape = settled.get(node.input[1]) if node.op_type == "Reshape" else None
    if shape is None or np.count_nonzero(shape.factor) != 1 or (shape.constant < 0).any():
        return
    inferred = np.where(shape.factor != 0, -1, shape.constant)
    if np.count_nonzero(inferred == 0):
        return
    name = f"{RESERVED}{node.output[0]}.shape"
    graph.initializer.append(numpy_helper.from_array(inferred.astype(np.int64), name))
    node.input[1] = name


def _nodes_for(graph: onnx.GraphProto, name: str, value: _Settled) -> list[onnx.NodeProto]:
    """The nodes that make a settled value of `BATCH`; for a constant none, but an initializer."""
    dtype = value.constant.dtype
    if value.is_constant:
        graph.initializer.append(numpy_helper.from_array(value.constant, name))
        return []
    nodes: list[onnx.NodeProto] = []

    def constant(suffix: str, array: Array) -> str:
        graph.initializer.append(numpy_helper.from_array(array, f"{RESERVED}{name}.{suffix}"))
        return f"{RESERVED}{name}.{suffix}"

    parts = []
    for position, (fixed, factor) in enumerate(
        zip(np.atleast_1d(value.constant), np.atleast_1d(value.factor), strict=True)
    ):
        if not factor:
            parts.append(constant(str(position), np.array([fixed], np.int64)))
        elif factor == 1:
            parts.append(BATCH)
        else:
            by = constant(f"{position}.factor", np.array([factor], np.int64))
            parts.append(f"{RESERVED}{name}.{position}")
            nodes.append(helper.make_node("Mul", [BATCH, by], parts[-1:]))
    last = name if dtype == np.int64 else f"{RESERVED}{name}.int64"
    if value.constant.ndim:
        nodes.append(helper.make_node("Concat", parts, [last], axis=0))
    else:
        nodes.append(helper.make_node("Gather", [*parts, constant("first", np.array(0, np.int64))], [last]))
    if dtype != np.int64:
        nodes.append(helper.make_node("Cast", [last], [name], to=helper.np_dtype_to_tensor_dtype(dtype)))
    return nodes


def _living(nodes: Sequence[onnx.NodeProto], outputs: Iterable[str]) -> list[onnx.NodeProto]:
    """Those nodes that an output needs, in their order."""
    needed, kept = set(outputs), []
    for node in reversed(nodes):
        if not needed.isdisjoint(node.output):
            kept.append(node)
            needed.update(names_used(node))
    return kept[::-1]


def _replace_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    copies = []
    for node in nodes:
        copies.append(onnx.NodeProto())
        copies[-1].CopyFrom(node)
    del graph.node[:]
    graph.node.extend(copies)
    used = {name for node in copies for name in names_used(node)} | {value.name for value in graph.output}
    for initializer in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(initializer)
