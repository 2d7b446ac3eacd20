"""The 1,797 handwritten digits of 8x8 grey pixels that ship with scikit-learn (UCI, E. Alpaydin 1998)."""

import numpy as np
from sklearn.datasets import load_digits

from exporter.data.source import Dataset, ImageArray, Recipe, split_in_two

__all__ = ["digits"]

# Of the pixels / 16.
_MEAN, _STD = 0.305, 0.376


def digits(size: int) -> Dataset:
    """Return the digits: 1,438 to train on, 359 held out."""
    loaded = load_digits()
    recipe = Recipe(size, (_MEAN,) * 3, (_STD,) * 3)
    images, labels = loaded.images.astype(np.float32), loaded.target.astype(np.int64)
    train, held_out = split_in_two(len(images))
    return Dataset(
        "digits",
        recipe.describe("8x8 grey pixels of 0 to 16, divided by 16"),
        10,
        ImageArray(images[train], labels[train], 16.0, recipe),
        ImageArray(images[held_out], labels[held_out], 16.0, recipe),
    )
