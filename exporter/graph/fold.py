"""Fold nodes that read constants alone, where that makes nothing larger.

The values are ONNX Runtime's own, which folds the same nodes when it loads a graph. What would grow, such as
int8 weights that are dequantised, stays as it is: each shard that needs it computes it.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
from onnx import helper

from exporter.bundle.partition import gives_the_same
from exporter.bundle.tensors import Array

__all__ = ["fold_constants"]

_SMALL_BYTES: Final = 1 << 16
_GROWING: Final = frozenset(("DequantizeLinear", "ConstantOfShape", "Expand", "Tile", "EyeLike", "OneHot"))


def fold_constants(model: ir.Model) -> None:
    """Replace nodes by initializers, in place; `model` has no constant nodes any more."""
    for node in list(model.graph):
        tensors = _constant_inputs(node)
        if tensors is None or any(value.is_graph_output() for value in node.outputs):
            continue
        arrays = _computed(node, model, tensors)
        if arrays is None or not _is_no_larger(node, arrays):
            continue
        for value, array in zip(node.outputs, arrays, strict=True):
            tensor = ir.tensor(array, name=value.name)
            folded = ir.Value(
                name=value.name,
                const_value=tensor,
                shape=ir.Shape(array.shape),
                type=ir.TensorType(tensor.dtype),
            )
            ir.convenience.replace_all_uses_with(value, folded)
            value.name = None
            model.graph.register_initializer(folded)
        model.graph.remove(node, safe=True)


def _constant_inputs(node: ir.Node) -> list[ir.TensorProtocol | None] | None:
    """The tensors that a node reads, if it reads nothing else and folding it could be right."""
    if not node.outputs or not any(value is not None for value in node.inputs):
        return None
    tensors = [None if value is None else value.const_value for value in node.inputs]
    is_constant = all(
        value is None or (value.is_initializer() and tensor is not None)
        for value, tensor in zip(node.inputs, tensors, strict=True)
    )
    if not is_constant or not gives_the_same(ir.to_proto(node)):
        return None
    grows = node.op_type in _GROWING and sum(t.nbytes for t in tensors if t is not None) > _SMALL_BYTES
    return None if grows or node.op_type == "DequantizeLinear" else tensors


def _is_no_larger(node: ir.Node, arrays: Sequence[Array]) -> bool:
    """Whether the results take no more room than the inputs that nothing else reads."""
    freed = [
        value.const_value.nbytes
        for value in dict.fromkeys(node.inputs)
        if value is not None and value.const_value is not None and len(value.uses()) == 1
    ]
    return sum(array.nbytes for array in arrays) <= max(sum(freed), _SMALL_BYTES)


def _computed(
    node: ir.Node, model: ir.Model, tensors: Sequence[ir.TensorProtocol | None]
) -> list[Array] | None:
    """What ONNX Runtime computes; None where it, or numpy, has no such type."""
    inputs = [f"i{position}" if tensor is not None else "" for position, tensor in enumerate(tensors)]
    alone = ir.to_proto(node)
    alone.input[:] = inputs
    alone.output[:] = [f"o{position}" for position in range(len(node.outputs))]
    given = {name: tensor.numpy() for name, tensor in zip(inputs, tensors, strict=True) if tensor is not None}
    try:
        values = [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), list(array.shape)
            )
            for name, array in given.items()
        ]
        outputs = [onnx.ValueInfoProto(name=name) for name in alone.output]
        graph = helper.make_graph([alone], "folded", values, outputs)
        imports = [helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
        whole = helper.make_model(graph, ir_version=model.ir_version, opset_imports=imports)
        options = ort.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1
        session = ort.InferenceSession(whole.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return [np.asarray(array) for array in session.run(None, given)]
    except Exception:  # onnxruntime's exceptions share no public base
        return None
