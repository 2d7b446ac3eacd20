"""`export`: turn a model into a bundle."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from exporter.bundle import Bundle
from exporter.bundle.assembly import Facts
from exporter.bundle.chain import in_batches, joined
from exporter.bundle.tensors import Array, Arrays
from exporter.bundle.write import folder_in_one_piece
from exporter.data import Dataset, from_npz, from_pairs, open_images, random_inputs
from exporter.errors import DatasetError, ModelError, WeightsError
from exporter.graph.assemble import assemble
from exporter.graph.capture import Example, Graph, from_file, from_torch
from exporter.models.build import build, build_imagenet, calibrate
from exporter.models.checkpoint import WeightsFile, fit_weights, read_weights
from exporter.models.source import FunctionModel, call_function, kind_of, short_name
from exporter.models.zoo import ZOO, find_model

__all__ = ["ExportSettings", "export"]

Report = Callable[[str], None]

# The bundle keeps PyTorch's own outputs for this many samples, enough to verify batch 1 and batch 8.
_REFERENCE_SAMPLES = 8
_CALIBRATION_BATCH, _CALIBRATION_BATCHES = 16, 8
_IMAGENET_CLASSES = 1000


@dataclass(frozen=True)
class ExportSettings:
    """The command's options; see ``python -m exporter export --help``."""

    model: str
    out: Path
    weights: str | None = None
    num_classes: int | None = None
    input_size: int | None = None
    dataset: str | None = None
    data_dir: Path | None = None
    data: Path | None = None
    samples: int = 128
    seed: int = 0
    force: bool = False


@dataclass(frozen=True)
class _Prepared:
    """A model with its weights and its data."""

    module: torch.nn.Module | None
    example: Example | None
    graph: Graph | None
    dataset: Dataset
    facts: Facts


def export(settings: ExportSettings, report: Report = lambda _: None) -> Bundle:
    """Export a model and return its bundle, opened.

    Raises:
        ExporterError: an option is wrong or the export fails; nothing is left behind.
    """
    kind = kind_of(settings.model)
    with folder_in_one_piece(settings.out, force=settings.force, marker="manifest.json") as folder:
        torch.manual_seed(settings.seed)
        if kind == "zoo":
            prepared = _prepare_zoo(settings, report)
        elif kind == "function":
            prepared = _prepare_function(settings)
        else:
            prepared = _prepare_file(settings)
        report(f"exporting {prepared.facts.model} to one ONNX graph")
        graph, names = _graph_of(prepared)
        if graph.why_fixed is not None:
            report(f"the batch is fixed to {graph.batch}: {graph.why_fixed}")
        inputs, labels = _samples(prepared.dataset, names, graph.batch, settings)
        reference = _reference(prepared, inputs, graph)
        report(f"cutting {len(graph.model.graph)} nodes, writing weights, shards and samples")
        assemble(folder, graph, prepared.facts, inputs, labels, reference)
    return Bundle.open(settings.out, check="manifest")


def _prepare_zoo(settings: ExportSettings, report: Report) -> _Prepared:
    zoo = ZOO[settings.model]
    file = read_weights(Path(settings.weights)) if settings.weights not in (None, "imagenet") else None
    noted = file.trained_as if file else None
    if noted and noted.model != settings.model:
        raise WeightsError(
            f"{settings.weights}: holds weights of {noted.model}, not of {settings.model}; "
            f"export {noted.model}"
        )
    size = settings.input_size or (noted.input_size if noted else zoo.input_size)
    find_model(settings.model, size)
    example = torch.randn(2, 3, size, size)
    default = noted.dataset if noted and not noted.dataset.endswith(".npz") else None
    if settings.weights is None:
        default = "digits"
    dataset = _dataset(replace(settings, dataset=settings.dataset or default), (example,), size)
    if settings.weights == "imagenet":
        if settings.num_classes not in (None, _IMAGENET_CLASSES):
            raise WeightsError(
                f"--num-classes {settings.num_classes}: ImageNet weights have {_IMAGENET_CLASSES} classes; "
                "leave the option out"
            )
        module, origin = build_imagenet(settings.model), f"torchvision {zoo.imagenet}"
    else:
        classes = settings.num_classes or (noted.num_classes if noted else None)
        has_own_data = settings.dataset or settings.data
        classes = classes or (dataset.class_count if has_own_data else None) or _IMAGENET_CLASSES
        module = build(settings.model, classes)
        origin = _load_or_calibrate(module, file, dataset, settings, report)
    facts = _facts(settings, dataset, f"torchvision.models.{settings.model}", origin, "top1")
    facts = replace(facts, trained=settings.weights is not None)
    return _Prepared(module, Example.of(module, example), None, dataset, facts)


def _load_or_calibrate(
    module: torch.nn.Module,
    file: WeightsFile | None,
    dataset: Dataset,
    settings: ExportSettings,
    report: Report,
) -> str:
    if file is not None:
        fit_weights(file, module)
        return f"{file.path.name}" + (", trained by edgecut" if file.trained_as else "")
    source = dataset.train or dataset.held_out
    order = np.random.default_rng(settings.seed).permutation(len(source))
    chosen = [
        order[start : start + _CALIBRATION_BATCH]
        for start in range(0, min(len(order), _CALIBRATION_BATCH * _CALIBRATION_BATCHES), _CALIBRATION_BATCH)
    ]
    report(
        f"no --weights: using random weights, with batch norm statistics from {dataset.name}; "
        "the model's answers mean nothing"
    )
    layers = calibrate(module, (source.take(indices)[0] for indices in chosen if len(indices) > 1))
    return f"random, batch norm statistics of {layers} layers from {dataset.name}"


def _prepare_function(settings: ExportSettings) -> _Prepared:
    _refuse_zoo_options(settings)
    given: FunctionModel = call_function(settings.model)
    given.module.eval()
    example = Example.of(given.module, given.example)
    origin = "as the function gives them"
    if settings.weights is not None:
        file = read_weights(Path(settings.weights))
        fit_weights(file, given.module)
        origin = file.path.name
    if given.data is not None and settings.dataset is None and settings.data is None:
        dataset = from_pairs(given.data, example.names, settings.samples, settings.model)
    else:
        dataset = _dataset(settings, example.tensors, _image_size(example.tensors))
    metric = given.metric if given.data is not None else "top1"
    return _Prepared(
        given.module, example, None, dataset, _facts(settings, dataset, settings.model, origin, metric)
    )


def _prepare_file(settings: ExportSettings) -> _Prepared:
    _refuse_zoo_options(settings)
    if settings.weights is not None:
        raise WeightsError(f"{settings.model}: an .onnx file holds its weights; leave --weights out")
    graph = from_file(Path(settings.model))
    example = tuple(_example_of(value, graph.batch) for value in graph.model.graph.inputs)
    dataset = _dataset(settings, example, _image_size(example))
    return _Prepared(
        None, None, graph, dataset, _facts(settings, dataset, settings.model, "as in the file", "top1")
    )


def _facts(
    settings: ExportSettings, dataset: Dataset, source: str, weights: str, metric: str | None
) -> Facts:
    return Facts(
        model=short_name(settings.model),
        source=source,
        trained=True,
        weights=weights,
        seed=settings.seed,
        dataset=dataset.name,
        preprocessing=dataset.preprocessing,
        metric=metric,
        label_classes=dataset.class_count,
    )


def _refuse_zoo_options(settings: ExportSettings) -> None:
    if settings.num_classes is not None or settings.input_size is not None:
        raise ModelError(
            f"{settings.model}: --num-classes and --input-size are for built-in models only; leave them out"
        )


def _example_of(value: Any, batch: int | None) -> torch.Tensor:
    shape = (batch or 2, *value.shape.dims[1:])
    dtype = value.dtype.numpy()
    if np.dtype(dtype).kind == "f":
        return torch.zeros(shape, dtype=torch.from_numpy(np.zeros(1, dtype)).dtype)
    # 0 and 1 are indices into any table.
    return torch.from_numpy(np.resize(np.array([0, 1], dtype=dtype), shape))


def _image_size(example: tuple[torch.Tensor, ...]) -> int | None:
    """Return the side of a model's square RGB images; None if it takes something else."""
    if len(example) == 1 and example[0].dim() == 4:
        _, channels, height, width = example[0].shape
        if channels == 3 and height == width:
            return int(height)
    return None


def _dataset(settings: ExportSettings, example: tuple[torch.Tensor, ...], size: int | None) -> Dataset:
    if settings.data is not None:
        if len(example) != 1:
            raise DatasetError(
                f"--data {settings.data}: has one array of inputs, but {settings.model} takes "
                f"{len(example)}; return the data from the model's function instead"
            )
        return from_npz(settings.data, size or 0)
    if settings.dataset in (None, "random"):
        return random_inputs(example, settings.seed)
    if size is None:
        shapes = ", ".join(str(list(tensor.shape[1:])) for tensor in example)
        raise DatasetError(
            f"--dataset {settings.dataset}: has RGB images, but {settings.model} takes {shapes}; "
            "give --dataset random, or return data from the model's function"
        )
    return open_images(settings.dataset or "", size, settings.data_dir)


def _graph_of(prepared: _Prepared) -> tuple[Graph, tuple[str, ...]]:
    if prepared.graph is not None:
        return prepared.graph, tuple(value.name or "" for value in prepared.graph.model.graph.inputs)
    assert prepared.module is not None and prepared.example is not None
    return from_torch(prepared.module, prepared.example), prepared.example.names


def _samples(
    dataset: Dataset, names: tuple[str, ...], batch: int | None, settings: ExportSettings
) -> tuple[Arrays, Array | None]:
    """Draw held-out samples at random, at most `settings.samples`; whole batches if the batch is fixed."""
    source = dataset.held_out
    order = np.random.default_rng(settings.seed).permutation(len(source))[: settings.samples]
    if batch is not None:
        order = np.resize(order, max(batch, len(order) - len(order) % batch))
    if len(order) < 3 and batch is None:
        order = np.resize(order, 3)
    parts = [source.take(order[start : start + 16]) for start in range(0, len(order), 16)]
    arrays = [torch.cat(column).numpy() for column in zip(*parts, strict=True)]
    labels = None if source.labels is None else source.labels[order]
    return dict(zip(names, arrays, strict=True)), labels


def _reference(prepared: _Prepared, inputs: Arrays, graph: Graph) -> Arrays:
    """Return PyTorch's outputs for the first samples, by the graph's output names."""
    if prepared.module is None or prepared.example is None:
        return {}
    size = graph.batch or _REFERENCE_SAMPLES
    count = -(-_REFERENCE_SAMPLES // size) * size
    names = [value.name or "" for value in graph.model.graph.outputs]
    parts = []
    for batch in in_batches({name: array[:count] for name, array in inputs.items()}, size):
        args, kwargs = prepared.example.with_tensors(
            {name: torch.from_numpy(array) for name, array in batch.items()}
        )
        with torch.no_grad():
            leaves = pytree.tree_leaves(prepared.module(*args, **kwargs))
        parts.append({name: leaf.numpy() for name, leaf in zip(names, leaves, strict=True)})
    return joined(parts)
