"""Types and shapes of every tensor, measured by running the graph, not inferred.

Two batches that differ tell how each dimension follows the batch: it stays, or it is a multiple of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from exporter.bundle.chain import run_session, session_of
from exporter.bundle.tensors import Tensor
from exporter.errors import BundleError, GraphError

__all__ = ["every_tensor", "measure_tensors"]

Arrays = dict[str, np.ndarray[Any, Any]]


def measure_tensors(
    model: onnx.ModelProto, folder: Path, inputs: Mapping[str, np.ndarray[Any, Any]], batch: int | None
) -> dict[str, Tensor]:
    """Return every tensor that goes into or comes out of a node, by name.

    Args:
        model: the graph, its weights in `folder`.
        folder: where the weights lie.
        inputs: samples; at least 3, or one whole batch of a graph with a fixed batch.
        batch: the fixed batch, or None if the batch is symbolic.

    Raises:
        GraphError: a tensor that could not cross a cut: no array, or a size that neither stays nor is a
            multiple of the batch.
    """
    if batch is not None:
        found = every_tensor(model, folder, {name: array[:batch] for name, array in inputs.items()})
        return {name: Tensor(name, _dtype(name, array), array.shape) for name, array in found.items()}
    two = every_tensor(model, folder, {name: array[:2] for name, array in inputs.items()})
    three = every_tensor(model, folder, {name: array[:3] for name, array in inputs.items()})
    return {
        name: Tensor(name, _dtype(name, array), _follow(name, array.shape, three[name].shape))
        for name, array in two.items()
    }


def every_tensor(model: onnx.ModelProto, folder: Path, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
    """Run the graph and return its inputs and every tensor that crosses or leaves it."""
    names = dict.fromkeys(name for node in model.graph.node for name in node.output if name)
    asked = onnx.ModelProto()
    asked.CopyFrom(model)
    declared = {value.name for value in model.graph.output}
    asked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in declared)
    try:
        found = run_session(session_of(asked.SerializeToString(), folder, threads=0), inputs)
    except BundleError as error:
        raise GraphError(str(error)) from None
    return {name: np.asarray(array) for name, array in inputs.items()} | found


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
                f'tensor "{name}" has sizes {at_two} and {at_three} at batch 2 and 3, no multiple of '
                "the batch; such a graph cannot be cut"
            )
    return tuple(shape)


def _dtype(name: str, array: Any) -> str:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise GraphError(f'tensor "{name}" is no array of numbers; such a graph cannot be cut')
    return str(array.dtype.name)
