"""Assemble a bundle from a captured graph and its samples."""

from collections.abc import Mapping
from pathlib import Path

import onnx

from exporter.bundle.assembly import Facts, write_files
from exporter.bundle.manifest import Manifest
from exporter.bundle.tensors import Array, Arrays, Tensor
from exporter.errors import GraphError
from exporter.graph.batch_values import settle_shapes
from exporter.graph.capture import Graph
from exporter.graph.cost import nodes_with_cost
from exporter.graph.external_weights import write_weights
from exporter.graph.fold import fold_constants
from exporter.graph.shapes import measure_tensors

__all__ = ["assemble"]


def assemble(
    folder: Path,
    graph: Graph,
    facts: Facts,
    inputs: Arrays,
    labels: Array | None,
    reference: Arrays,
) -> Manifest:
    """Write all a bundle's files into `folder`, the manifest last.

    Args:
        folder: an empty folder.
        graph: the whole graph.
        facts: the manifest's other facts.
        inputs: samples by input, samples first; whole batches if the graph's batch is fixed.
        labels: their labels; the bundle omits them where they are of other classes than the model's.
        reference: PyTorch's outputs for the first samples; empty for a model from an .onnx file.

    Raises:
        GraphError: ONNX Runtime cannot run the graph, or a tensor cannot cross a cut.
    """
    fold_constants(graph.model)
    model = write_weights(graph.model, folder)
    settle_shapes(model, folder, inputs, graph.batch)
    tensors = measure_tensors(model, folder, inputs, graph.batch)
    _require_batch(model, tensors, graph.batch)
    nodes = nodes_with_cost(model, graph.modules, tensors, graph.batch)
    return write_files(
        folder,
        model,
        nodes,
        tensors,
        facts,
        inputs,
        labels=labels,
        reference=reference,
        batch=graph.batch,
        types=graph.types,
    )


def _require_batch(model: onnx.ModelProto, tensors: Mapping[str, Tensor], batch: int | None) -> None:
    """Refuse inputs and outputs without a batch dimension: edgecut could not match them to requests."""
    first = "batch" if batch is None else batch
    for kind, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            shape = tensors[value.name].shape
            if not shape or shape[0] != first:
                shown = ", ".join(map(str, shape))
                raise GraphError(
                    f'{kind} "{value.name}" is [{shown}]; its first dimension must be the batch ({first})'
                )
