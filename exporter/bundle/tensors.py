"""A tensor's name, type and shape, with the batch left open."""

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Array", "Arrays", "Tensor"]

Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]

_MAX_DIMENSIONS = 16
_BATCH = re.compile(r"(?:(\d+)\*)?batch")


@dataclass(frozen=True)
class Tensor:
    """An input or output of a partition.

    Attributes:
        name: its name in the graph.
        dtype: numpy's name of its element type, such as ``float32``.
        shape: whole numbers, and ``"batch"`` or ``"K*batch"`` where a dimension follows the batch.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]

    def concrete(self, batch: int) -> tuple[int, ...]:
        """Return the shape with the batch filled in."""
        return tuple(_fill(dim, batch) for dim in self.shape)

    def is_sound(self) -> bool:
        """Whether type and shape are possible, for a tensor that was read from a file."""
        try:
            dtype, shape = np.dtype(self.dtype), self.concrete(1)
        except (TypeError, ValueError):
            return False
        number = dtype.name == self.dtype and (dtype.kind in "biufc" or dtype.name == "bfloat16")
        return number and len(shape) <= _MAX_DIMENSIONS and all(0 < size < 2**32 for size in shape)

    @property
    def bytes_per_sample(self) -> int:
        """Bytes of this tensor at batch 1; all its bytes where the batch is fixed."""
        return math.prod(self.concrete(1)) * np.dtype(self.dtype).itemsize


def _fill(dim: int | str, batch: int) -> int:
    if isinstance(dim, int):
        return dim
    match = _BATCH.fullmatch(dim)
    if match is None:
        raise ValueError(f'dimension "{dim}" is neither a number nor a multiple of "batch"')
    return int(match[1] or 1) * batch
