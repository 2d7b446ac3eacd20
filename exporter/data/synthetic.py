"""Random inputs for shape-only work, and samples that a user's function gives."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from exporter.data.source import Dataset
from exporter.errors import DatasetError

__all__ = ["from_pairs", "random_inputs"]

Array = np.ndarray[Any, Any]

_RANDOM_COUNT = 4096


class _Random:
    """Random samples that look like an example: floats from a normal distribution, others drawn from it."""

    labels: Array | None = None

    def __init__(self, example: Sequence[torch.Tensor], seed: int) -> None:
        self._example = example
        self._seed = seed

    def __len__(self) -> int:
        return _RANDOM_COUNT

    def take(self, indices: Array) -> tuple[torch.Tensor, ...]:
        return tuple(
            torch.stack([self._draw(tensor, place, index) for index in indices.tolist()])
            for place, tensor in enumerate(self._example)
        )

    def _draw(self, tensor: torch.Tensor, place: int, index: int) -> torch.Tensor:
        generator = np.random.default_rng((self._seed, place, index))
        shape = tuple(tensor.shape[1:])
        if tensor.dtype.is_floating_point:
            return torch.as_tensor(generator.standard_normal(shape), dtype=tensor.dtype)
        values = tensor.flatten()
        return values[torch.as_tensor(generator.integers(len(values), size=shape))]


class _Pairs:
    """Samples held as stacked tensors, one per input."""

    def __init__(self, inputs: tuple[torch.Tensor, ...], labels: Array | None) -> None:
        self.labels = labels
        self._inputs = inputs

    def __len__(self) -> int:
        return len(self._inputs[0])

    def take(self, indices: Array) -> tuple[torch.Tensor, ...]:
        chosen = torch.from_numpy(indices.astype(np.int64))
        return tuple(tensor[chosen] for tensor in self._inputs)


def random_inputs(example: Sequence[torch.Tensor], seed: int) -> Dataset:
    """Return random inputs of an example's types and shapes; integers are drawn from its own values."""
    words = "random: floats from a standard normal distribution, others drawn from the example input"
    return Dataset("random", words, None, None, _Random(example, seed))


def from_pairs(
    pairs: Iterable[Any], names: Sequence[str], limit: int, class_count: int | None, origin: str
) -> Dataset:
    """Return the samples of an iterable of (inputs, label), each without batch dimension.

    Args:
        pairs: inputs are a tensor, a tuple in the order of `names`, or a dict by name; a label is an
            integer, an array of them, or None.
        names: the model's inputs.
        limit: how many samples to read at most.
        class_count: how many classes there are, if known.
        origin: what to call the data.

    Raises:
        DatasetError: an item is no such pair, or there is none.
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
            raise DatasetError(f"{origin}: sample {number} is no (inputs, label) pair: {error}") from None
        labels.append(label)
    if not inputs:
        raise DatasetError(f"{origin}: gives no sample")
    unlabelled = any(label is None for label in labels)
    try:
        stacked = tuple(torch.stack(column) for column in zip(*inputs, strict=True))
        marks = None if unlabelled else np.asarray([np.asarray(label) for label in labels], dtype=np.int64)
    except (RuntimeError, ValueError, TypeError) as error:
        raise DatasetError(f"{origin}: the samples differ in shape: {str(error).splitlines()[0]}") from None
    return Dataset(origin, "as the model's function gives them", class_count, None, _Pairs(stacked, marks))
