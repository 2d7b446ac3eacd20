"""Capture a model as one ONNX graph: from PyTorch by torch.onnx, or from an .onnx file."""

import ast
import inspect
import logging
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import onnx_ir.passes.common as common_passes
import torch
from torch.utils import _pytree as pytree

from exporter.bundle.guard import check_graph
from exporter.bundle.partition import RESERVED
from exporter.errors import BundleError, GraphError, ModelError, first_line

__all__ = ["Example", "Graph", "from_file", "from_torch"]

_BATCH = "batch"
_BATCHES_TO_TRY = (1, 2, 3)


@dataclass(frozen=True)
class Example:
    """A module's example inputs, flattened: its call's arguments and its inputs' names."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: tuple[str, ...]
    tensors: tuple[torch.Tensor, ...]
    structure: Any

    @classmethod
    def of(cls, module: torch.nn.Module, example: Any) -> "Example":
        """Bind an example input (a tensor, a tuple of them, or a dict by argument) to a module.

        Raises:
            ModelError: the example does not fit the module's forward, or holds something else than tensors.
        """
        args: tuple[Any, ...] = ()
        kwargs: dict[str, Any] = {}
        if isinstance(example, dict):
            kwargs = dict(example)
        else:
            args = tuple(example) if isinstance(example, tuple | list) else (example,)
        try:
            bound = inspect.signature(module.forward).bind(*args, **kwargs).arguments
        except TypeError as error:
            raise ModelError(
                f"{type(module).__name__}: the example input does not fit forward(): {error}"
            ) from None
        # In the order of forward's arguments, which is that of the graph's inputs.
        kwargs = {name: kwargs[name] for name in (*bound, *kwargs) if name in kwargs}
        leaves, structure = pytree.tree_flatten_with_path(dict(bound))
        names = tuple(_leaf_name(path) for path, _ in leaves)
        for name, (_, leaf) in zip(names, leaves, strict=True):
            if not isinstance(leaf, torch.Tensor):
                raise ModelError(
                    f'{type(module).__name__}: input "{name}" is a {type(leaf).__name__}, not a tensor; '
                    "fix this argument in a wrapping module"
                )
        return cls(args, kwargs, names, tuple(leaf for _, leaf in leaves), structure)

    def with_tensors(self, tensors: dict[str, torch.Tensor]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a call's arguments with other tensors in place of the example's."""
        structure = pytree.tree_structure((self.args, self.kwargs))
        args, kwargs = pytree.tree_unflatten([tensors[name] for name in self.names], structure)
        return args, kwargs

    def resized(self, batch: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return a call's arguments with the example's samples, repeated to one batch of this size."""

        def resize(tensor: torch.Tensor) -> torch.Tensor:
            return tensor[torch.arange(batch) % len(tensor)]

        return self.with_tensors(dict(zip(self.names, map(resize, self.tensors), strict=True)))


@dataclass(frozen=True)
class Graph:
    """A graph ready to be cut.

    Attributes:
        model: the whole graph, with constants as initializers and functions inlined.
        modules: each node's module path, by the name of its first output.
        types: the class of each module of PyTorch, by its path.
        batch: None where the batch is symbolic, else the only size that the graph accepts.
        why_fixed: the reason for a fixed batch.
    """

    model: ir.Model
    modules: Mapping[str, str]
    batch: int | None
    why_fixed: str | None = None
    types: Mapping[str, str] = field(default_factory=dict)


def from_torch(module: torch.nn.Module, example: Example) -> Graph:
    """Export a module in eval mode, with a symbolic batch if it allows one, else with the example's.

    The export folds batch norm into the convolutions before it.

    Raises:
        GraphError: the module cannot be exported; names the operator at fault, if known.
        ModelError: an input or output has no batch dimension, or is not a tensor.
    """
    module.eval()
    batch = _common_batch(example)
    output_names = name_outputs(module, example)
    why_fixed = _why_one_batch(module, example)
    model = None
    if why_fixed is None:
        try:
            model = _export(module, example, output_names, symbolic=True)
        except Exception as error:  # torch.export raises whatever the traced code raises
            why_fixed = _why(module, error)
        else:
            why_fixed = _why_static(model)
    if model is None or why_fixed is not None:
        try:
            model = _export(module, example, output_names, symbolic=False)
        except Exception as error:
            raise GraphError(_why(module, error)) from None
    modules = {_first_output(node): _module_path(node) for node in model.graph}
    types = {path: type(each).__name__ for path, each in module.named_modules() if path}
    return Graph(model, modules, None if why_fixed is None else batch, why_fixed, types)


def name_outputs(module: torch.nn.Module, example: Example) -> tuple[str, ...]:
    """Run the module once and name its outputs: dict keys, ``output``, or ``output_0`` and so on."""
    try:
        with torch.no_grad():
            result = module(*example.args, **example.kwargs)
    except Exception as error:  # a user's forward may raise anything
        raise ModelError(
            f"{type(module).__name__}: forward() fails on the example input: {first_line(error)}"
        ) from None
    leaves, _ = pytree.tree_flatten_with_path(result)
    names = []
    for path, leaf in leaves:
        name = _leaf_name(path)
        name = f"output_{name}" if name.isdecimal() else name or "output"
        if not isinstance(leaf, torch.Tensor):
            raise ModelError(
                f'{type(module).__name__}: output "{name}" is a {type(leaf).__name__}, not a tensor'
            )
        names.append(name)
    clash = set(names) & set(example.names)
    return tuple(f"output_{name}" if name in clash else name for name in names)


def _why_one_batch(module: torch.nn.Module, example: Example) -> str | None:
    """Try other batches in PyTorch; return the first failure in words, None without one."""
    for batch in _BATCHES_TO_TRY:
        args, kwargs = example.resized(batch)
        try:
            with torch.no_grad():
                outputs = pytree.tree_leaves(module(*args, **kwargs))
        except Exception as error:  # a user's forward may raise anything
            return f"forward() fails at batch {batch}: {first_line(error)}"
        if any(output.dim() == 0 or output.shape[0] != batch for output in outputs):
            return f"an output at batch {batch} has another first dimension"
    return None


def _why_static(model: ir.Model) -> str | None:
    """Why a graph has the example's batch, though none was asked for; None where it is open."""
    for value in model.graph.inputs:
        if value.shape is not None and isinstance(value.shape[0], int):
            return "forward() uses it as a number, as len(x) and int(x.shape[0]) do; x.shape[0] stays open"
    return None


def from_file(path: Path) -> Graph:
    """Read an ``.onnx`` file, its weights beside it or inside.

    Raises:
        ModelError: the file is missing, damaged, not an ONNX model, or refused by `check_graph`.
        GraphError: an input has another open dimension than the batch.
    """
    try:
        check_graph(onnx.load(path, load_external_data=False), str(path), path.parent)
        model = ir.load(path)
    except BundleError as error:
        raise ModelError(str(error)) from None
    except FileNotFoundError as error:
        raise ModelError(f"{error.filename or path}: no such file") from None
    except Exception as error:  # protobuf and onnx_ir raise many kinds
        raise ModelError(f"{path}: not an ONNX model ({first_line(error)})") from None
    _normalise(model)
    batch = _declared_batch(model, path)
    why_fixed = None if batch is None else "the file declares it"
    modules = {_first_output(node): _node_path(node, i) for i, node in enumerate(model.graph)}
    return Graph(model, modules, batch, why_fixed)


def _export(
    module: torch.nn.Module, example: Example, outputs: tuple[str, ...], *, symbolic: bool
) -> ir.Model:
    args, kwargs = example.args, example.kwargs
    shapes = None
    if symbolic:
        args, kwargs = example.resized(2)  # torch.export takes a size of 1 for a constant
        batch = torch.export.Dim(_BATCH)
        shapes = pytree.tree_unflatten([{0: batch} for _ in example.names], example.structure)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module, args, kwargs=kwargs, dynamo=True, dynamic_shapes=shapes, verbose=False,
            input_names=list(example.names), output_names=list(outputs),
        )  # fmt: skip
    assert program is not None
    _normalise(program.model)
    return program.model


def _normalise(model: ir.Model) -> None:
    """Reduce the graph to nodes that compute, in a fixed order: no functions, constant or dead nodes."""
    for each in (
        common_passes.InlinePass(),
        common_passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common_passes.RemoveInitializersFromInputsPass(),
        common_passes.RemoveUnusedNodesPass(),
        common_passes.RemoveUnusedFunctionsPass(),  # type: ignore[no-untyped-call]  # onnx_ir does not type it
        common_passes.TopologicalSortPass(),
        common_passes.OutputFixPass(),
    ):
        each(model)
    _free_reserved_names(model)
    if not len(model.graph):
        raise GraphError("the graph has no node that computes, so nothing to cut; export another model")


def _first_output(node: ir.Node) -> str:
    return next((value.name for value in node.outputs if value.name), "")


def _free_reserved_names(model: ir.Model) -> None:
    """Give other names to values called as edgecut's own are, as in the graph of a bundle."""
    values = [*model.graph.initializers.values(), *(value for node in model.graph for value in node.outputs)]
    for value in values:
        if value.name is not None and value.name.startswith(RESERVED):
            value.name = f"was.{value.name}"


def _module_path(node: ir.Node) -> str:
    """Return the path of a node's module; for a function that the model itself calls, its name."""
    scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
    paths = [scope for scope in scopes[:-1] if scope]
    if paths:
        return str(paths[-1])
    return str(scopes[-1]) if scopes else node.op_type.lower()


def _node_path(node: ir.Node, index: int) -> str:
    """Return the path in a node's name, ``/layer1/layer1.0/conv1/Conv`` -> ``layer1.0.conv1``."""
    name = node.name or ""
    parts = [part for part in name.split("/") if part]
    if len(parts) < 2:
        return name or f"{node.op_type.lower()}_{index}"
    path: list[str] = []
    for part in parts[:-1]:
        # torch.onnx before dynamo repeats the whole path in each scope: layer1/layer1.0/layer1.0.conv1
        path = [part] if path and part.startswith(".".join(path) + ".") else [*path, part]
    return ".".join(path)


def _common_batch(example: Example) -> int:
    sizes = {}
    for name, tensor in zip(example.names, example.tensors, strict=True):
        if tensor.dim() == 0:
            raise ModelError(f'input "{name}" is a single number and has no batch dimension')
        sizes[name] = tensor.shape[0]
    if not sizes:
        raise ModelError("the example input holds no tensor")
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name}: {size}" for name, size in sizes.items())
        raise ModelError(f"the inputs' first dimensions differ ({listed}); each must be the batch")
    return next(iter(sizes.values()))


def _declared_batch(model: ir.Model, path: Path) -> int | None:
    batches: set[int | None] = set()
    for value in model.graph.inputs:
        if value.shape is None or value.shape.rank() == 0:
            raise GraphError(f'{path}: input "{value.name}" has no batch dimension')
        first, *rest = value.shape.dims
        if any(not isinstance(dim, int) for dim in rest):
            shape = ", ".join(str(dim) for dim in value.shape.dims)
            raise GraphError(
                f'{path}: input "{value.name}" is [{shape}]; only the first dimension may be open'
            )
        batches.add(first if isinstance(first, int) else None)
    if len(batches) != 1:
        raise GraphError(f"{path}: the inputs' first dimensions differ; each must be the batch")
    return batches.pop()


def _leaf_name(path: tuple[Any, ...]) -> str:
    parts = [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path]
    return "_".join(parts)


def _why(module: torch.nn.Module, error: BaseException) -> str:
    """Return one line that names the operator that torch.onnx lacks, or the first line of its error."""
    name = type(module).__name__
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__ or cause.__context__
    text = "\n".join(str(each) for each in chain)
    operator = re.search(r"No ONNX function found for <OpOverload\(op='([\w.:]+)'", text)
    if operator:
        return f"{name} cannot be exported: ONNX has no operator for {operator[1]}; replace it in the model"
    return f"{name} cannot be exported: {first_line(chain[-1])}"


logging.getLogger("torch.onnx").setLevel(logging.ERROR)
