"""The weights file: every initializer once, and a graph that points into it."""

from pathlib import Path

import onnx
import onnx_ir as ir

from exporter.bundle.assembly import WEIGHTS
from exporter.errors import GraphError

__all__ = ["write_weights"]

# Scalars and shape constants stay in the graph: ONNX Runtime's shape inference reads them, and a reference
# would be longer than they are.
_INLINE_BELOW_BYTES = 256
# Small tensors start on a cache line, large ones on a page so that they can be mapped as they lie.
_LINE_BYTES, _PAGE_BYTES, _LARGE_BYTES = 64, 4096, 1 << 20


def write_weights(model: ir.Model, folder: Path) -> onnx.ModelProto:
    """Write ``weights.bin`` in order of first use and return the graph that refers to it.

    Raises:
        GraphError: an initializer holds strings or has no data.
    """
    with (folder / WEIGHTS).open("wb") as file:
        for value in _in_order_of_use(model.graph):
            tensor = value.const_value
            if tensor is None:
                raise GraphError(f'initializer "{value.name}" has no data; save the model with its weights')
            if tensor.dtype == ir.DataType.STRING:
                raise GraphError(f'initializer "{value.name}" holds strings; strings cannot cross a cut')
            data = tensor.tobytes()
            if len(data) < _INLINE_BELOW_BYTES:
                value.const_value = ir.Tensor(tensor.numpy(), dtype=tensor.dtype, name=value.name)
                continue
            step = _PAGE_BYTES if len(data) >= _LARGE_BYTES else _LINE_BYTES
            file.write(bytes(-file.tell() % step))
            offset = file.tell()
            file.write(data)
            value.const_value = ir.ExternalTensor(
                WEIGHTS,
                offset,
                len(data),
                tensor.dtype,
                shape=ir.Shape(tensor.shape.numpy()),
                name=value.name or "",
                base_dir=folder,
            )
    graph = ir.to_proto(model)
    _strip(graph)
    return graph


def _strip(model: onnx.ModelProto) -> None:
    """Remove what no runtime reads: it would grow a shard of a few kB to 140 kB."""
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output):
        each.ClearField("doc_string")
        each.ClearField("metadata_props")
    for node in graph.node:
        node.ClearField("device_configurations")
    graph.ClearField("value_info")


def _in_order_of_use(graph: ir.Graph) -> list[ir.Value]:
    ordered: dict[str, ir.Value] = {}
    for node in graph.all_nodes():
        for value in node.inputs:
            name = value.name if value is not None else None
            if name is not None and name in graph.initializers:
                ordered[name] = graph.initializers[name]
    return list(ordered.values())
