"""Samples from a NumPy file with ``inputs`` and ``labels``."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from exporter.data.source import Dataset, ImageArray, Recipe, Source, TensorSamples, split_in_two
from exporter.errors import DatasetError

__all__ = ["from_npz"]

Array = np.ndarray[Any, Any]

_MEAN, _STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def from_npz(path: Path, size: int) -> Dataset:
    """Return the samples of an ``.npz`` file with ``inputs`` and optional ``labels``.

    Bytes (uint8) of shape (count, height, width) or (count, height, width, channels) are images, which are
    preprocessed; any other array stays as it is. A fifth of the samples is held out.

    Raises:
        DatasetError: the file is missing, not an ``.npz``, or without fitting arrays.
    """
    inputs, labels = _read(path)
    train, held_out = split_in_two(len(inputs))
    classes = int(labels.max()) + 1 if labels is not None else None
    recipe = Recipe(size, _MEAN, _STD)
    images = inputs.dtype == np.uint8
    if images and inputs.ndim == 4:
        inputs = np.moveaxis(inputs, 3, 1)

    def part(indices: Array) -> Source:
        marks = None if labels is None else labels[indices]
        if images:
            return ImageArray(inputs[indices], marks, 255.0, recipe)
        return TensorSamples((torch.from_numpy(inputs[indices]),), marks)

    words = recipe.describe("pixels of 0 to 255, divided by 255") if images else "as in the file"
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
        raise DatasetError(f'{path}: needs an array "inputs" whose first dimension is the samples, 2 or more')
    if inputs.dtype == np.uint8 and not (
        inputs.ndim == 3 or (inputs.ndim == 4 and inputs.shape[3] in (1, 3))
    ):
        raise DatasetError(
            f'{path}: "inputs" of bytes must be (count, height, width) or (count, height, width, 1 or 3)'
        )
    if labels is not None and (
        len(labels) != len(inputs) or labels.dtype.kind not in "iu" or labels.min() < 0
    ):
        raise DatasetError(f'{path}: "labels" must hold one whole number from 0 for each input')
    return inputs, None if labels is None else labels.astype(np.int64)
