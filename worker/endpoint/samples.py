"""Samples: a pipeline's inputs and expected outputs, in batches."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from worker.links.slots import Array
from worker.wire.errors import RefusedError
from worker.wire.frames import LinkLayout

__all__ = ["Samples", "batches_of"]


@dataclass(frozen=True)
class Samples:
    """Inputs and expected outputs of a pipeline: by tensor name, first axis the sample."""

    inputs: Mapping[str, Array]
    answers: Mapping[str, Array]

    @classmethod
    def load(cls, path: Path) -> "Samples":
        """Read a bundle's `samples.npz`. Raises RefusedError: it cannot be read."""
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                parts = {name: arrays[name] for name in arrays.files}
        except MemoryError as error:
            raise RefusedError(f"{path} cannot be read: its arrays do not fit in memory") from error
        except Exception as error:
            # numpy, zipfile and their decompressors each raise their own errors on damaged files.
            raise RefusedError(f"{path} cannot be read: {error}") from error
        return cls(_with_prefix(parts, "input."), _with_prefix(parts, "answer."))


def _with_prefix(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def batches_of(samples: Mapping[str, Array], layout: LinkLayout, batch: int, what: str) -> list[list[Array]]:
    """Every different batch, as views of the samples, in the order of the link's tensors.

    Batch i is the samples (i*batch .. i*batch+batch) modulo their count; after the last comes the first.

    Raises:
        RefusedError: the samples lack a tensor of the link, or its type or shape differs.
    """
    columns = []
    count = 0
    for tensor in layout.tensors:
        column = samples.get(tensor.name)
        if column is None:
            raise RefusedError(f"the bundle's samples have no {what} {tensor.name}")
        if column.dtype != tensor.dtype or (batch, *column.shape[1:]) != tensor.shape:
            raise RefusedError(
                f"{what} {tensor.name} of batch {batch} is {column.dtype} {[batch, *column.shape[1:]]}, "
                f"but the link carries {tensor.dtype} {list(tensor.shape)}"
            )
        if len(column) == 0 or (count and len(column) != count):
            raise RefusedError(
                f"the bundle has {len(column)} samples of {what} {tensor.name}, not {count or '1 or more'}"
            )
        count = len(column)
        columns.append(_extended(np.ascontiguousarray(column), batch))
    starts = [index * batch % count for index in range(count // math.gcd(count, batch))]
    return [[column[start : start + batch] for column in columns] for start in starts]


def _extended(column: Array, batch: int) -> Array:
    """The samples, with the first ones repeated at the end, so that each batch is contiguous."""
    if len(column) % batch == 0:
        return column
    rounds = -(-(len(column) + batch) // len(column))
    return np.concatenate([column] * rounds)[: len(column) + batch]
