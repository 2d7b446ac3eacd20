"""Refuse foreign graphs with operators that ONNX Runtime does not ship, or weights outside their folder.

A bundle or a model file may come from anyone. ONNX Runtime and onnx refuse most of this themselves; this
check runs before either of them sees the graph, and gives one line that names the file.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx

from exporter.errors import BundleError

__all__ = ["DOMAINS", "check_graph", "check_inside", "parse_graph"]

DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc", "com.ms.internal.nhwc"}
)
"""The domains whose operators ONNX Runtime implements."""

# Protobuf's own readers stop at 100 nested messages; no real model comes near.
_DEEPEST = 32


def parse_graph(data: bytes, place: str, folder: Path) -> onnx.ModelProto:
    """Parse a model and check it with `check_graph`.

    Raises:
        BundleError: the bytes are not a model, or the model is refused.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's own errors come without types
        raise BundleError(f"{place}: cannot be read ({error}); export the bundle again") from None
    check_graph(model, place, folder)
    return model


def check_graph(model: onnx.ModelProto, place: str, folder: Path) -> None:
    """Refuse a model that needs foreign code or that points outside its folder.

    Args:
        model: the model as read, without its external data.
        place: its name in errors.
        folder: the folder of its external data.

    Raises:
        BundleError: the model does either.
    """
    own = {function.domain for function in model.functions}
    for function in model.functions:
        _check_nodes(function.node, own, place, folder, 0)
    _check_one(model.graph, own, place, folder, 0)
    for training in model.training_info:
        _check_one(training.initialization, own, place, folder, 0)
        _check_one(training.algorithm, own, place, folder, 0)


def check_inside(path: Path, folder: Path, place: str) -> None:
    """Raise BundleError if `path` is not in `folder`, or is a link that leads outside."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError) as error:
        raise BundleError(f"{place}: {str(path)[:200]!r} is not a file ({error})") from None
    if not inside:
        raise BundleError(
            f"{place}: {str(path)[:200]!r} leads out of {folder}; a bundle's files must be in its folder"
        )


def _check_one(graph: onnx.GraphProto, own: set[str], place: str, folder: Path, depth: int) -> None:
    if depth > _DEEPEST:
        raise BundleError(
            f"{place}: sub-graphs are nested {depth} deep, more than {_DEEPEST}; flatten the model"
        )
    _check_tensors(graph.initializer, place, folder)
    for sparse in graph.sparse_initializer:
        _check_tensors((sparse.values, sparse.indices), place, folder)
    _check_nodes(graph.node, own, place, folder, depth)


def _check_nodes(
    nodes: Iterable[onnx.NodeProto], own: set[str], place: str, folder: Path, depth: int
) -> None:
    for node in nodes:
        if node.domain not in DOMAINS and node.domain not in own:
            raise BundleError(
                f"{place}: operator {node.op_type[:80]!r} is of domain {node.domain[:80]!r}, which ONNX "
                "Runtime does not ship; replace the operator, since edgecut loads no other code"
            )
        for attribute in node.attribute:
            _check_tensors(_tensors_of(attribute), place, folder)
            for graph in (attribute.g, *attribute.graphs):
                _check_one(graph, own, place, folder, depth + 1)


def _tensors_of(attribute: onnx.AttributeProto) -> Iterator[onnx.TensorProto]:
    yield attribute.t
    yield from attribute.tensors
    for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
        yield from (sparse.values, sparse.indices)


def _check_tensors(tensors: Iterable[onnx.TensorProto], place: str, folder: Path) -> None:
    for tensor in tensors:
        for entry in tensor.external_data:
            if entry.key == "location":
                if not entry.value or Path(entry.value).is_absolute():
                    raise BundleError(
                        f"{place}: tensor {tensor.name[:80]!r} is stored in {entry.value[:200]!r}; put the "
                        "weights beside the graph and name them by a relative path"
                    )
                check_inside(folder / entry.value, folder, place)
