"""What should come out of a pipeline, and whether it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from worker.endpoint.samples import batches_of
from worker.slots import Array, Slot
from worker.wire.errors import MismatchError
from worker.wire.frames import LinkLayout

__all__ = ["WORST_ALLOWED_ERROR", "Answers"]

WORST_ALLOWED_ERROR: Final = 1e-4
"""A result may differ from the answer by this much of the answer's own maximum, where no codec loses any."""


@dataclass
class _Answer:
    """A tensor of one batch, and its own maximum, by which errors are divided; 1 when that is zero."""

    tensor: Array
    scale: float = field(init=False)
    scratch: "np.ndarray[Any, np.dtype[Any]]"

    def __post_init__(self) -> None:
        self.scale = float(np.max(np.abs(self.tensor.astype(np.float64)))) or 1.0

    def error(self, result: Array) -> float:
        """Largest absolute difference, as a share of the scale; NaN if there is one in the result."""
        np.subtract(result, self.tensor, out=self.scratch, dtype=self.scratch.dtype)
        np.abs(self.scratch, out=self.scratch)
        return float(np.maximum.reduce(self.scratch, axis=None)) / self.scale


class Answers:
    """The answers of each different batch of the samples."""

    def __init__(
        self, samples: Mapping[str, Array], layout: LinkLayout, batch: int, *, allowed_error: float
    ) -> None:
        """Raises RefusedError: the samples do not fit the link that brings the results."""
        self._layouts = layout.tensors
        self._allowed_error = allowed_error
        scratch = [np.empty(tensor.shape, _precision(tensor.dtype)) for tensor in layout.tensors]
        self._batches = [
            [_Answer(tensor, room) for tensor, room in zip(tensors, scratch, strict=True)]
            for tensors in batches_of(samples, layout, batch, "answer")
        ]

    def check(self, slot: Slot) -> float:
        """The largest error of a result's tensors. Raises MismatchError: one is larger than allowed."""
        worst = 0.0
        answers = self._batches[slot.request % len(self._batches)]
        for result, answer, layout in zip(slot.arrays, answers, self._layouts, strict=True):
            error = answer.error(result)
            # Written so that NaN does not pass.
            if not error <= self._allowed_error:
                raise MismatchError(
                    f"result of request {slot.request} is wrong: {layout.name} differs from the answer by "
                    f"{error:.3g} of its maximum (at most {self._allowed_error:.3g} is allowed)"
                )
            worst = max(worst, error)
        return worst


def _precision(dtype: "np.dtype[np.generic]") -> "np.dtype[np.generic]":
    """In what a difference is taken: halves and integers would overflow."""
    return dtype if dtype.kind == "f" and dtype.itemsize >= 4 else np.dtype(np.float64)
