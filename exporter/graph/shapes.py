"""Every tensor's type and shape, measured by running the graph instead of inferred.

Two different batches show how each dimension follows the batch: it is constant, or a multiple of the batch.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exporter.bundle.chain import run_session, session_of
from exporter.bundle.tensors import Array, Arrays, Tensor
from exporter.errors import BundleError, GraphError

__all__ = ["every_tensor", "measure_tensors"]


def measure_tensors(
    model: onnx.ModelProto, folder: Path, inputs: Mapping[str, Array], batch: int | None
) -> dict[str, Tensor]:
    """Return every node's inputs and outputs, by name.

    Args:
        model: the graph.
        folder: its weights' folder.
        inputs: at least 3 samples, or one whole batch for a graph with a fixed batch.
        batch: the fixed batch, or None if the batch is symbolic.

    Raises:
        GraphError: a tensor could not cross a cut: it is not an array, or its size is neither constant nor a
            multiple of the batch.
    """
    if batch is not None:
        arrays = every_tensor(model, folder, {name: array[:batch] for name, array in inputs.items()})
        return {name: Tensor(name, _dtype(name, array), array.shape) for name, array in arrays.items()}
    two = every_tensor(model, folder, {name: array[:2] for name, array in inputs.items()})
    three = every_tensor(model, folder, {name: array[:3] for name, array in inputs.items()})
    return {
        name: Tensor(name, _dtype(name, array), _follow(name, array.shape, three[name].shape))
        for name, array in two.items()
    }


def every_tensor(model: onnx.ModelProto, folder: Path, inputs: Mapping[str, Array]) -> Arrays:
    """Run the graph and return its inputs and every tensor that a node produces."""
    names = dict.fromkeys(name for node in model.graph.node for name in node.output if name)
    exposed = onnx.ModelProto()
    exposed.CopyFrom(model)
    declared = {value.name for value in model.graph.output}
    exposed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in declared)
    try:
        outputs = run_session(session_of(exposed.SerializeToString(), folder, threads=0), inputs)
    except BundleError as error:
        raise GraphError(str(error)) from None
    return {name: np.asarray(array) for name, array in inputs.items()} | outputs


def _follow(name: str, two: tuple[int, ...], three: tuple[int, ...]) -> tuple[int | str, ...]:
    if len(two) != len(three):
        raise GraphError(f'tensor "{name}" changes its rank with the data; such a graph cannot be cut')
    shape: list[int | str] = []
    for at_two, at_three in zip(two, three, strict=True):
        factor = at_three - at_two
        if factor == 0:
            shape.append(at_two)
        elif at_two == 2 * factor:
            shape.append("batch" if factor == 1 else f"{factor}*batch")
        else:
            raise GraphError(
                f'tensor "{name}" has sizes {at_two} and {at_three} at batch 2 and 3, which are not '
                "multiples of the batch; such a graph cannot be cut"
            )
    return tuple(shape)


def _dtype(name: str, array: Any) -> str:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise GraphError(f'tensor "{name}" is not an array of numbers; such a graph cannot be cut')
    return str(array.dtype.name)
