"""Random inputs for shape-only work, and the samples of a user's function."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from exporter.bundle.tensors import Array
from exporter.data.source import Dataset, Source, tensor_source
from exporter.errors import DatasetError

__all__ = ["from_pairs", "random_inputs"]

_RANDOM_COUNT = 4096


def random_inputs(example: Sequence[torch.Tensor], seed: int) -> Dataset:
    """Return random inputs of an example's types and shapes, with integers drawn from its own values."""

    def draw(tensor: torch.Tensor, place: int, index: int) -> torch.Tensor:
        generator = np.random.default_rng((seed, place, index))
        shape = tuple(tensor.shape[1:])
        if tensor.dtype.is_floating_point:
            return torch.as_tensor(generator.standard_normal(shape), dtype=tensor.dtype)
        values = tensor.flatten()
        return values[torch.as_tensor(generator.integers(len(values), size=shape))]

    def take(indices: Array) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.stack([draw(tensor, place, index) for index in indices.tolist()])
            for place, tensor in enumerate(example)
        )

    words = "random: floats from a standard normal distribution, others drawn from the example input"
    return Dataset("random", words, None, None, Source(_RANDOM_COUNT, take))


def from_pairs(pairs: Iterable[Any], names: Sequence[str], limit: int, origin: str) -> Dataset:
    """Return the samples of an iterable of (inputs, label), each without a batch dimension.

    Args:
        pairs: inputs are a tensor, a tuple in the order of `names`, or a dict by name; a label is an
            integer, an array of integers, or None.
        names: the model's inputs.
        limit: the largest number of samples to read.
        origin: the data's name in messages and the manifest.

    Raises:
        DatasetError: an item is not such a pair, or `pairs` is empty.
    """
    inputs: list[tuple[torch.Tensor, ...]] = []
    labels: list[Any] = []
    for number, pair in zip(range(limit), pairs, strict=False):
        try:
            given, label = pair
            if isinstance(given, dict):
                given = tuple(given[name] for name in names)
            given = tuple(given) if isinstance(given, tuple | list) else (given,)
            if len(given) != len(names):
                raise ValueError(f"{len(given)} inputs instead of {len(names)}")
            inputs.append(tuple(torch.as_tensor(each) for each in given))
        except (TypeError, ValueError, KeyError) as error:
            raise DatasetError(f"{origin}: sample {number} is not an (inputs, label) pair: {error}") from None
        labels.append(label)
    if not inputs:
        raise DatasetError(f"{origin}: yields no samples; its data must give (inputs, label) pairs")
    unlabelled = any(label is None for label in labels)
    try:
        stacked = tuple(torch.stack(column) for column in zip(*inputs, strict=True))
        marks = None if unlabelled else np.asarray([np.asarray(label) for label in labels], dtype=np.int64)
    except (RuntimeError, ValueError, TypeError) as error:
        raise DatasetError(f"{origin}: the samples differ in shape: {str(error).splitlines()[0]}") from None
    samples = tensor_source(stacked, marks)
    return Dataset(origin, "as the model's function gives them", None, None, samples)
