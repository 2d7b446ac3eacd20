"""`train`: train a built-in model on a data set and write its weights."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from exporter.data import Dataset, Source, from_npz, open_images
from exporter.errors import DatasetError, OutputError
from exporter.models.build import build
from exporter.models.checkpoint import TrainedAs, fit_weights, read_weights, save_weights
from exporter.models.zoo import find_model

__all__ = ["Epoch", "TrainSettings", "train"]

_LABEL_SMOOTHING = 0.05
_WEIGHT_DECAY = 0.01
_WARM_UP_SHARE = 0.3
_GRADIENT_NORM = 5.0
_HELD_OUT_BATCH = 128


@dataclass(frozen=True)
class TrainSettings:
    """The command's options; see ``python -m exporter train --help``."""

    model: str
    out: Path
    dataset: str = "digits"
    data_dir: Path | None = None
    data: Path | None = None
    weights: Path | None = None
    num_classes: int | None = None
    input_size: int | None = None
    epochs: int = 5
    batch: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training samples."""

    number: int
    loss: float
    held_out_accuracy: float
    elapsed_s: float


def train(settings: TrainSettings, report: Callable[[Epoch], None] = lambda _: None) -> TrainedAs:
    """Train a model with AdamW and a one-cycle schedule (L. Smith 2018), and write ``{"state_dict": ...}``.

    Raises:
        ExporterError: the model or data set is unknown, the data has no labels, or `out` is not writable.
    """
    model = find_model(settings.model, settings.input_size)
    size = settings.input_size or model.input_size
    _require_writable(settings.out)
    dataset = _open(settings, size)
    classes = settings.num_classes or dataset.class_count or 0
    module = _start(settings, classes)
    begin = time.monotonic()
    accuracy = 0.0
    for number, loss in enumerate(_epochs(module, dataset, settings), start=1):
        accuracy = _accuracy(module, dataset.held_out)
        report(Epoch(number, loss, accuracy, time.monotonic() - begin))
    name = settings.data.name if settings.data else settings.dataset
    trained_as = TrainedAs(settings.model, name, classes, size, settings.seed, accuracy)
    save_weights(settings.out, module, trained_as)
    return trained_as


def _open(settings: TrainSettings, size: int) -> Dataset:
    if settings.data is None and settings.dataset == "random":
        raise DatasetError("--dataset random: has no labels to learn; choose another data set")
    dataset = (
        from_npz(settings.data, size)
        if settings.data
        else open_images(settings.dataset, size, settings.data_dir)
    )
    labels = dataset.train.labels if dataset.train is not None else None
    if labels is None:
        raise DatasetError(f'{dataset.name}: has no labels to learn; add an array "labels"')
    highest = int(labels.max())
    if settings.num_classes is not None and highest >= settings.num_classes:
        raise DatasetError(
            f"{dataset.name}: has label {highest}, but --num-classes is {settings.num_classes}; "
            f"give {highest + 1} or more"
        )
    return dataset


def _start(settings: TrainSettings, classes: int) -> torch.nn.Module:
    torch.manual_seed(settings.seed)
    module = build(settings.model, classes)
    if settings.weights is not None:
        fit_weights(read_weights(settings.weights), module)
    return module


def _epochs(module: torch.nn.Module, dataset: Dataset, settings: TrainSettings) -> Iterator[float]:
    """Train epoch after epoch and yield each epoch's mean loss."""
    source = dataset.train
    assert source is not None and source.labels is not None
    labels = torch.from_numpy(source.labels)
    generator = np.random.default_rng(settings.seed)
    per_epoch = math.ceil(len(source) / settings.batch)
    optimizer = torch.optim.AdamW(module.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, settings.learning_rate, total_steps=settings.epochs * per_epoch, pct_start=_WARM_UP_SHARE
    )
    for _ in range(settings.epochs):
        module.train()
        total = 0.0
        for indices in np.array_split(generator.permutation(len(source)), per_epoch):
            optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(
                module(source.take(indices)[0]), labels[indices], label_smoothing=_LABEL_SMOOTHING
            )
            loss.backward()  # type: ignore[no-untyped-call]  # by torch
            torch.nn.utils.clip_grad_norm_(module.parameters(), _GRADIENT_NORM)
            optimizer.step()
            schedule.step()
            total += loss.item() * len(indices)
        yield total / len(source)


def _accuracy(module: torch.nn.Module, source: Source) -> float:
    assert source.labels is not None
    module.eval()
    right = 0
    with torch.no_grad():
        for start in range(0, len(source), _HELD_OUT_BATCH):
            indices = np.arange(start, min(start + _HELD_OUT_BATCH, len(source)))
            answers = module(source.take(indices)[0]).argmax(dim=1).numpy()
            right += int((answers == source.labels[indices]).sum())
    return right / len(source)


def _require_writable(path: Path) -> None:
    """Check the output path before training, not after."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".{path.name}.partial")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror}); choose another --out") from None
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; --out must name a file")
