"""Cut the graph: find the tensors that cross each position, and build the shard between two positions.

A shard is the whole graph's nodes ``[start, stop)``. Initializers stay references (offset, length) into the
bundle's one weights file.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import helper

from exporter.bundle.tensors import Tensor

__all__ = ["crossing_names", "names_used", "shard_graph"]


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


def crossing_names(graph: onnx.GraphProto) -> tuple[tuple[str, ...], ...]:
    """Return the names of the tensors that cross each position 0 to n, in order of production.

    A tensor crosses when a node before the position produces it and a node after it reads it, or when it is
    an output of the graph. Graph inputs count as produced at 0; initializers never cross.
    """
    count = len(graph.node)
    constants = {initializer.name for initializer in graph.initializer}
    born = {value.name: 0 for value in graph.input if value.name not in constants}
    dies: dict[str, int] = {}
    for position, node in enumerate(graph.node):
        dies.update((name, position) for name in names_used(node))
        born.update((name, position + 1) for name in node.output if name)
    dies.update((value.name, count) for value in graph.output)
    crossing: list[list[str]] = [[] for _ in range(count + 1)]
    for name, start in born.items():
        for position in range(max(start, 1), min(dies.get(name, -1), count - 1) + 1):
            crossing[position].append(name)
    # The ends are the model's own signature, in its own order, used or not.
    crossing[0] = [value.name for value in graph.input if value.name not in constants]
    crossing[count] = [value.name for value in graph.output]
    return tuple(tuple(names) for names in crossing)


def shard_graph(
    model: onnx.ModelProto, start: int, stop: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> bytes:
    """Return the shard of nodes ``[start, stop)`` as ONNX bytes, the same bytes each time.

    `inputs` cross `start` and `outputs` cross `stop`. The shard passes a tensor through that is in both and
    that none of its nodes produces, which ONNX Runtime allows.
    """
    nodes = model.graph.node[start:stop]
    used = {name for node in nodes for name in names_used(node)}
    graph = helper.make_graph(
        nodes,
        f"{start}-{stop}",
        [_value(tensor) for tensor in inputs],
        [_value(tensor) for tensor in outputs],
        [initializer for initializer in model.graph.initializer if initializer.name in used],
    )
    shard = helper.make_model(graph, ir_version=model.ir_version, opset_imports=list(model.opset_import))
    content: bytes = shard.SerializeToString(deterministic=True)
    return content


def _value(tensor: Tensor) -> onnx.ValueInfoProto:
    element = helper.np_dtype_to_tensor_dtype(np.dtype(tensor.dtype))
    return helper.make_tensor_value_info(tensor.name, element, list(tensor.shape))
