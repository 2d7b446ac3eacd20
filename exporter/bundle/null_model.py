"""The null model: a chain of nodes that compute nothing, with tensors of chosen sizes between them.

    t0 -> Identity or Pad -> t1 -> Identity or Pad -> t2 ...

A node copies its input, and a Pad cuts it short or fills it up with zeros. So the runtime around the stages
is all that takes time, unless times are planted in them (docs/measuring.md, "Planted times").
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from exporter.bundle.assembly import WEIGHTS, Facts, write_files
from exporter.bundle.bundle import NULL_OPERATORS, Bundle
from exporter.bundle.cuts import Node
from exporter.bundle.tensors import Tensor
from exporter.bundle.write import folder_in_one_piece
from exporter.errors import ModelError

__all__ = ["NULL", "export_null"]

NULL = "null"
"""The name of the model; its nodes' operators make it one, not its name."""

_MOST_NODES = 1024
_MOST_VALUES = 1 << 24
_OPSET, _IR_VERSION = 18, 10
_SAME, _RESIZED = NULL_OPERATORS


def export_null(out: Path, sizes: Sequence[int], *, samples: int = 8, force: bool = False) -> Bundle:
    """Write a bundle of the null model and return it, opened.

    Args:
        out: its folder.
        sizes: how many float32 values of a sample cross the input, each cut point and the output; one more
            than the model has nodes.
        samples: how many samples it has.
        force: replace another bundle there.

    Raises:
        ModelError: too few or too many nodes or samples, or an impossible size.
        OutputError: the folder is taken or not writable.
    """
    if not 2 <= len(sizes) <= _MOST_NODES + 1 or not all(1 <= size <= _MOST_VALUES for size in sizes):
        shown = ",".join(map(str, sizes[:8])) + (",..." if len(sizes) > 8 else "")
        raise ModelError(
            f"sizes {shown}: list 2 to {_MOST_NODES + 1} numbers from 1 to {_MOST_VALUES}: the values at the "
            "input, at each cut point and at the output"
        )
    if not 1 <= samples <= _MOST_VALUES // max(sizes):
        raise ModelError(
            f"{samples} samples: a null model of up to {max(sizes)} values has 1 to "
            f"{_MOST_VALUES // max(sizes)} samples"
        )
    facts = Facts(
        model=NULL,
        source="the null model of edgecut",
        trained=False,
        weights="none",
        seed=0,
        dataset="random",
        preprocessing="none",
        metric=None,
        label_classes=None,
    )
    model = _graph(sizes)
    nodes = [Node(node.op_type, node.name, 0, 0) for node in model.graph.node]
    tensors = {name: Tensor(name, "float32", ("batch", size)) for name, size in _values(sizes)}
    inputs = np.random.default_rng(0).standard_normal((samples, sizes[0]), np.float32)
    with folder_in_one_piece(out, force=force, marker="manifest.json") as folder:
        (folder / WEIGHTS).write_bytes(b"")
        write_files(folder, model, nodes, tensors, facts, {"t0": inputs})
    return Bundle.open(out, check="manifest")


def _values(sizes: Sequence[int]) -> list[tuple[str, int]]:
    return [(f"t{position}", size) for position, size in enumerate(sizes)]


def _graph(sizes: Sequence[int]) -> onnx.ModelProto:
    nodes, initializers = [], []
    for position, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False)):
        inputs = [f"t{position}"]
        if before != after:
            pads = [0, 0, 0, after - before]
            inputs.append(f"pads{position}")
            initializers.append(helper.make_tensor(inputs[1], TensorProto.INT64, [len(pads)], pads))
        operator = _SAME if before == after else _RESIZED
        nodes.append(helper.make_node(operator, inputs, [f"t{position + 1}"], name=f"layer.{position}"))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size])
        for name, size in (_values(sizes)[0], _values(sizes)[-1])
    ]
    graph = helper.make_graph(nodes, NULL, ends[:1], ends[1:], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
