"""Samples that are arrays: of a NumPy file with ``inputs`` and ``labels``, and scikit-learn's digits."""

from pathlib import Path

import numpy as np
import torch

from exporter.bundle.tensors import Array
from exporter.data.source import Dataset, Recipe, Source, image_source, split_in_two, tensor_source
from exporter.errors import DatasetError

__all__ = ["digits", "from_npz"]

_MEAN, _STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
# Of the pixels / 16.
_DIGITS_MEAN, _DIGITS_STD = 0.305, 0.376


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
            return image_source(inputs[indices], marks, 255.0, recipe)
        return tensor_source((torch.from_numpy(inputs[indices]),), marks)

    words = recipe.describe("pixels of 0 to 255, divided by 255") if images else "as in the file"
    return Dataset(path.name, words, classes, part(train), part(held_out))


def digits(size: int) -> Dataset:
    """Return the 1,797 handwritten digits of 8x8 grey pixels that ship with scikit-learn: 359 are held out.

    UCI, E. Alpaydin 1998.
    """
    # Imported here: it takes a second that an export with other data need not.
    from sklearn.datasets import load_digits

    loaded = load_digits()
    recipe = Recipe(size, (_DIGITS_MEAN,) * 3, (_DIGITS_STD,) * 3)
    images, labels = loaded.images.astype(np.float32), loaded.target.astype(np.int64)
    train, held_out = split_in_two(len(images))
    return Dataset(
        "digits",
        recipe.describe("8x8 grey pixels of 0 to 16, divided by 16"),
        10,
        image_source(images[train], labels[train], 16.0, recipe),
        image_source(images[held_out], labels[held_out], 16.0, recipe),
    )


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
