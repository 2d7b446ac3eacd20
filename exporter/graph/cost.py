"""A node's cost: its parameters, and its multiply-adds for one sample."""

import math
from collections.abc import Mapping

import onnx

from exporter.bundle.cuts import Node
from exporter.bundle.partition import Cuttable
from exporter.bundle.tensors import Tensor

__all__ = ["nodes_with_cost"]


def nodes_with_cost(
    model: onnx.ModelProto, modules: Mapping[str, str], tensors: Mapping[str, Tensor], batch: int | None
) -> tuple[Node, ...]:
    """Return each node that computes on data with its module path and its cost.

    Parameters are the elements of floating-point initializers, counted at their first use; the export folds
    batch norm, so PyTorch counts more. Multiply-adds are those of Conv, ConvTranspose, Gemm and MatMul, by
    shapes; `batch` is the fixed batch, or None. `modules` has a path by the name of a node's first output.
    """
    graph, cuttable = model.graph, Cuttable(model)
    sizes = {i.name: math.prod(i.dims) for i in graph.initializer if _is_parameter(i)}
    shapes = {name: tensor.concrete(1) for name, tensor in tensors.items()}
    shapes |= {i.name: tuple(i.dims) for i in graph.initializer}
    nodes = []
    for node in cuttable.nodes:
        parameters = sum(sizes.pop(name, 0) for name in cuttable.constants_of(node))
        multiply_adds = _multiply_adds(node, shapes) // (batch or 1)
        module = modules[next(name for name in node.output if name)]
        nodes.append(Node(node.op_type, module, parameters, multiply_adds))
    return tuple(nodes)


def _is_parameter(initializer: onnx.TensorProto) -> bool:
    # A lone scalar is an operator's constant (the 6 of ReLU6); integers are shapes and indices.
    floating = initializer.data_type in (
        onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE,
    )  # fmt: skip
    return floating and len(initializer.dims) > 0


def _multiply_adds(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    left, right, out = shapes[node.input[0]], shapes[node.input[1]], shapes[node.output[0]]
    if node.op_type == "Conv":
        return math.prod(out) * math.prod(right[1:])
    if node.op_type == "ConvTranspose":
        return math.prod(left) * math.prod(right[1:])
    if node.op_type == "Gemm":
        transposed = any(a.name == "transA" and a.i for a in node.attribute)
        return math.prod(out) * left[0 if transposed else 1]
    return math.prod(out) * left[-1]
