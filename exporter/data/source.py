"""Data sets as samples by index, with optional labels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from exporter.bundle.tensors import Array

__all__ = ["Dataset", "Recipe", "Source", "image_source", "split_in_two", "tensor_source"]

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# Held-out samples must stay held out whatever --seed is, so that weights trained with one seed are never
# scored on samples that another seed trained on.
_SPLIT_SEED = 20_160_229
_HELD_OUT_SHARE = 0.2


@dataclass(frozen=True)
class Source:
    """Samples by index.

    Attributes:
        count: the number of samples.
        take: returns the model's inputs for the samples at some indices, samples first.
        labels: the samples' labels; None without labels.
    """

    count: int
    take: Callable[[Array], tuple[torch.Tensor, ...]]
    labels: Array | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return self.count


@dataclass(frozen=True)
class Dataset:
    """A data set, ready for a model.

    Attributes:
        name: its name on the command line.
        preprocessing: the samples' preprocessing, in words and numbers.
        class_count: the labels' number of classes; None without labels.
        train: samples to train on; None where the data is for measuring only.
        held_out: samples that training never sees.
    """

    name: str
    preprocessing: str
    class_count: int | None
    train: Source | None
    held_out: Source


@dataclass(frozen=True)
class Recipe:
    """From pixels of 0 to 1 to a model's input: grey to RGB, resize, normalise."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def apply(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn (count, channels, height, width) in 0 to 1 into (count, 3, size, size)."""
        if pixels.shape[-2:] != (self.size, self.size):
            pixels = functional.interpolate(
                pixels, size=(self.size, self.size), mode="bilinear", antialias=True, align_corners=False
            )
        mean = torch.tensor(self.mean).view(1, 3, 1, 1)
        std = torch.tensor(self.std).view(1, 3, 1, 1)
        return (pixels.expand(-1, 3, -1, -1) - mean) / std

    def describe(self, first: str) -> str:
        """Return the recipe in words and numbers, beginning with the data set's own part."""
        return (
            f"{first}; grey repeated to 3 channels; "
            f"bilinear resize with antialiasing to {self.size}x{self.size}; "
            f"normalised with mean {list(self.mean)} and std {list(self.std)}"
        )


def tensor_source(inputs: tuple[torch.Tensor, ...], labels: Array | None) -> Source:
    """Return samples that need no preprocessing, as stacked tensors, one per input."""

    def take(indices: Array) -> tuple[torch.Tensor, ...]:
        chosen = torch.from_numpy(indices.astype(np.int64))
        return tuple(tensor[chosen] for tensor in inputs)

    return Source(len(inputs[0]), take, labels)


def image_source(pixels: Array, labels: Array | None, scale: float, recipe: Recipe) -> Source:
    """Return images in one array, preprocessed on access.

    Args:
        pixels: (count, height, width) or (count, channels, height, width), 0 to `scale`.
        labels: one for each image.
        scale: the value of full brightness.
        recipe: the preprocessing.
    """
    stacked = pixels if pixels.ndim == 4 else pixels[:, None]

    def take(indices: Array) -> tuple[torch.Tensor, ...]:
        return (recipe.apply(torch.from_numpy(stacked[indices].astype(np.float32)) / scale),)

    return Source(len(stacked), take, labels)


def split_in_two(count: int) -> tuple[Array, Array]:
    """Return training and held-out (a fifth) indices, always the same for a count."""
    order = np.random.default_rng(_SPLIT_SEED).permutation(count)
    held_out = max(1, round(count * _HELD_OUT_SHARE))
    return np.sort(order[held_out:]), order[:held_out]
