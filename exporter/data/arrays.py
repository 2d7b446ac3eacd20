"""Samples from a NumPy file with ``inputs`` and ``labels``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from exporter.data.source import Dataset, ImageArray, Recipe, Source, split_in_two
from exporter.errors import DatasetError

__all__ = ["from_npz"]

Array = np.ndarray[Any, Any]

_MEAN, _STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


class _AsTheyAre:
    """Arrays that are the model's inputs already."""

    def __init__(self, inputs: Array, labels: Array | None) -> None:
        self.labels = labels
        self._inputs = inputs

    def __len__(self) -> int:
        return len(self._inputs)

    def take(self, indices: Array) -> tuple[torch.Tensor, ...]:
        return (torch.from_numpy(self._inputs[indices]),)


def from_npz(path: Path, size: int) -> Dataset:
    """Return the samples of an ``.npz`` file with ``inputs`` and, if there are any, ``labels``.

    Bytes (uint8) of shape (count, height, width) or (count, height, width, channels) are images and are
    preprocessed; any other array is taken as it is. A fifth is held out.

    Raises:
        DatasetError: missing, not an ``.npz``, or without fitting arrays.
    """
    inputs, labels = _read(path)
    train, held_out = split_in_two(len(inputs))
    classes = int(labels.max()) + 1 if labels is not None else None
    if inputs.dtype != np.uint8:
        words, make = "as in the file", _AsTheyAre
    else:
        recipe = Recipe(size, _MEAN, _STD)
        words = recipe.describe("pixels of 0 to 255, divided by 255")
        inputs = inputs if inputs.ndim == 3 else np.moveaxis(inputs, 3, 1)

        def make(chosen: Array, marks: Array | None) -> Source:  # type: ignore[misc]  # a class in the other branch
            return ImageArray(chosen, marks, 255.0, recipe)

    def part(indices: Array) -> Source:
        return make(inputs[indices], None if labels is None else labels[indices])

    return Dataset(path.name, words, classes, part(train), part(held_out))


def _read(path: Path) -> tuple[Array, Array | None]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DatasetError(f"{path}: not an .npz file without objects ({error})") from None
    inputs, labels = arrays.get("inputs"), arrays.get("labels")
    if inputs is None or inputs.ndim < 2 or len(inputs) < 2:
        raise DatasetError(f'{path}: wants an array "inputs" with the samples (2 or more) first')
    if inputs.dtype == np.uint8 and not (
        inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] in (1, 3))
    ):
        raise DatasetError(
            f'{path}: "inputs" of bytes must be (count, height, width) or (count, height, width, 1 or 3)'
        )
    if labels is not None and (
        len(labels) != len(inputs) or labels.dtype.kind not in "iu" or labels.min() < 0
    ):
        raise DatasetError(f'{path}: "labels" must hold one whole number from 0 for each of the inputs')
    return inputs, None if labels is None else labels.astype(np.int64)
