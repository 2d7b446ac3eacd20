"""A node's cost: its parameters, and its multiply-adds for one sample."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import onnx
from onnx import TensorProto, helper

from exporter.bundle.cuts import Node
from exporter.bundle.partition import Cuttable, names_used
from exporter.bundle.tensors import Tensor

__all__ = ["multiply_adds", "nodes_with_cost"]

_Shapes = Mapping[str, tuple[int, ...]]

_FLOATS: Final = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.DOUBLE)
_QUANTISED: Final = {
    "DequantizeLinear": (0,),
    "QuantizeLinear": (0,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "QGemm": (0, 3, 6),
    "MatMulInteger": (0, 1),
    "ConvInteger": (0, 1),
    "MatMulIntegerToFloat": (0, 1, 6),
    "DynamicQuantizeMatMul": (1, 4),
}
"""By operator, the inputs that may be parameters, of any type: the others are scales and zero points."""


def nodes_with_cost(
    model: onnx.ModelProto, modules: Mapping[str, str], tensors: Mapping[str, Tensor], batch: int | None
) -> tuple[Node, ...]:
    """Return each node that computes on data with its module path and its cost.

    Parameters are the elements of floating-point initializers and of quantised weights, counted at their
    first use; the export folds batch norm, so PyTorch counts more. `batch` is the fixed batch, or None.
    `modules` has a path by the name of a node's first output.
    """
    cuttable = Cuttable(model)
    sizes = {each.name: math.prod(each.dims) for each in model.graph.initializer}
    shapes = {name: tensor.concrete(1) for name, tensor in tensors.items()}
    shapes |= {each.name: tuple(each.dims) for each in model.graph.initializer}
    floats = {each.name for each in model.graph.initializer if each.data_type in _FLOATS and each.dims}
    nodes = []
    for node in cuttable.nodes:
        used = [name for each in (*cuttable.makers_of(node), node) for name in _parameters_of(each, floats)]
        parameters = sum(sizes.pop(name, 0) for name in used)
        module = modules[next(name for name in node.output if name)]
        nodes.append(Node(node.op_type, module, parameters, multiply_adds(node, shapes) // (batch or 1)))
    return tuple(nodes)


def _parameters_of(node: onnx.NodeProto, floats: set[str]) -> Iterator[str]:
    """The values that could be parameters. A lone scalar is an operator's constant (the 6 of ReLU6)."""
    places = _QUANTISED.get(node.op_type)
    if places is None:
        return (name for name in names_used(node) if name in floats)
    return (node.input[place] for place in places if place < len(node.input))


def multiply_adds(node: onnx.NodeProto, shapes: _Shapes) -> int:
    """Return the multiply-adds of a node at these shapes, 0 for an operator that has none to speak of."""
    count = _COUNTS.get(node.op_type)
    return 0 if count is None else count(node, shapes)


def _of_conv(weight: int) -> Callable[[onnx.NodeProto, _Shapes], int]:
    def count(node: onnx.NodeProto, shapes: _Shapes) -> int:
        return math.prod(shapes[node.output[0]]) * math.prod(shapes[node.input[weight]][1:])

    return count


def _of_transposed_conv(node: onnx.NodeProto, shapes: _Shapes) -> int:
    return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])


def _of_product(node: onnx.NodeProto, shapes: _Shapes) -> int:
    """Of matrices: each value of the result is a sum over the last dimension of the left one."""
    left = shapes[node.input[0]]
    transposed = _attribute(node, "transA", 0)
    return math.prod(shapes[node.output[0]]) * left[-2 if transposed else -1]


def _of_recurrence(node: onnx.NodeProto, shapes: _Shapes) -> int:
    """Of a GRU, LSTM or RNN: each step multiplies its input and its state by the weights of all gates."""
    steps = math.prod(shapes[node.input[0]][:2])
    return steps * sum(math.prod(shapes[name]) for name in node.input[1:3])


def _of_einsum(node: onnx.NodeProto, shapes: _Shapes) -> int:
    """Of all operands at once: a product over each combination of indices; of one operand none."""
    terms = str(_attribute(node, "equation", "")).replace(" ", "").partition("->")[0].split(",")
    if len(terms) < 2:
        return 0
    sizes: dict[str, int] = {}
    for term, name in zip(terms, node.input, strict=True):
        shape = shapes[name]
        hidden = len(shape) - len(term.replace("...", ""))
        # Dimensions under an ellipsis are matched from the last one, and those of size 1 stretch.
        open_ = "".join(chr(0x3B1 + i) for i in reversed(range(hidden)))
        for index, size in zip(term.replace("...", open_), shape, strict=True):
            sizes[index] = max(size, sizes.get(index, 1))
    return math.prod(sizes.values()) * (len(terms) - 1)


def _of_attention(node: onnx.NodeProto, shapes: _Shapes) -> int:
    """Of ONNX's operator: the products of queries and keys, and of their weights and the values."""
    if node.domain == "com.microsoft":
        return _of_packed_attention(node, shapes)
    query, key, value = (shapes[name] for name in node.input[:3])
    past = shapes[node.input[4]][2] if len(node.input) > 4 and node.input[4] else 0
    if len(query) == 4:
        batch, heads, length, size = query
        return batch * heads * length * (key[2] + past) * (size + value[3])
    batch, length, width = query
    groups = int(_attribute(node, "q_num_heads", 1)) // int(_attribute(node, "kv_num_heads", 1))
    return batch * length * (key[1] + past) * (width + groups * value[2])


def _of_packed_attention(node: onnx.NodeProto, shapes: _Shapes) -> int:
    """Of ONNX Runtime's: one product for queries, keys and values of the same width, then attention."""
    batch, length, width = shapes[node.input[0]]
    packed = shapes[node.input[1]][1]
    return batch * length * (width * packed + length * 2 * packed // 3)


def _of_multi_head_attention(node: onnx.NodeProto, shapes: _Shapes) -> int:
    query, key = (shapes[name] for name in node.input[:2])
    value = shapes[node.input[2]] if len(node.input) > 2 and node.input[2] else key
    return query[0] * query[1] * key[1] * (query[2] + value[2])


def _of_block_quantised(node: onnx.NodeProto, shapes: _Shapes) -> int:
    return math.prod(shapes[node.output[0]]) * int(_attribute(node, "K", 0))


def _attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    found = next((each for each in node.attribute if each.name == name), None)
    if found is None:
        return default
    value = helper.get_attribute_value(found)
    return value.decode() if isinstance(value, bytes) else value


_COUNTS: Final[Mapping[str, Callable[[onnx.NodeProto, _Shapes], int]]] = {
    "Conv": _of_conv(1),
    "FusedConv": _of_conv(1),
    "ConvInteger": _of_conv(1),
    "QLinearConv": _of_conv(3),
    "ConvTranspose": _of_transposed_conv,
    "Gemm": _of_product,
    "QGemm": _of_product,
    "MatMul": _of_product,
    "FusedMatMul": _of_product,
    "MatMulInteger": _of_product,
    "MatMulIntegerToFloat": _of_product,
    "DynamicQuantizeMatMul": _of_product,
    "QLinearMatMul": _of_product,
    "MatMulNBits": _of_block_quantised,
    "GRU": _of_recurrence,
    "LSTM": _of_recurrence,
    "RNN": _of_recurrence,
    "Einsum": _of_einsum,
    "Attention": _of_attention,
    "MultiHeadAttention": _of_multi_head_attention,
}
