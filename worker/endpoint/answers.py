"""The expected results of a pipeline, and the check against them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from worker.endpoint.samples import batches_of
from worker.links.slots import Array, Slot
from worker.wire.errors import MismatchError
from worker.wire.frames import LinkLayout

__all__ = ["WORST_ALLOWED_ERROR", "Answers"]

WORST_ALLOWED_ERROR: Final = 1e-4
"""A result may differ from the answer by this much of the answer's own maximum, without a lossy codec."""

# The sink shares a core with the first stage; comparing bytes costs that stage less than arithmetic.
_REMEMBERED_BYTES: Final = 64 * 2**20


@dataclass
class _Answer:
    """A tensor of one batch; errors are relative to `scale`, its finite maximum (1 when that is zero)."""

    tensor: Array
    scale: float = field(init=False)
    scratch: "np.ndarray[Any, np.dtype[Any]]"

    def __post_init__(self) -> None:
        values = self.tensor.astype(np.float64)
        self._infinite = np.isinf(values)
        self._has_infinite = bool(self._infinite.any())
        self.scale = float(np.abs(values[~self._infinite]).max(initial=0.0)) or 1.0

    def error(self, result: Array) -> float:
        """Largest absolute difference, as a share of the scale; NaN if the result holds one.

        Equal infinities are equal.
        """
        with np.errstate(invalid="ignore"):
            np.subtract(result, self.tensor, out=self.scratch, dtype=self.scratch.dtype)
        np.abs(self.scratch, out=self.scratch)
        if self._has_infinite:
            self.scratch[self._infinite & (result == self.tensor)] = 0
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
        remembers = len(self._batches) * layout.payload_bytes <= _REMEMBERED_BYTES
        self._right: dict[int, tuple[bytes, float]] | None = {} if remembers else None

    def check(self, slot: Slot) -> float:
        """The largest error of a result's tensors. Raises MismatchError: one is larger than allowed.

        A result equal, byte for byte, to the last right one of its batch has the same error.
        """
        index = slot.request % len(self._batches)
        if self._right is None:
            return self._worst_error(slot, self._batches[index])
        # Of the arrays: over RPC a slot has no buffers.
        result = b"".join(array.data for array in slot.arrays)
        right, worst = self._right.get(index, (None, 0.0))
        if result != right:
            worst = self._worst_error(slot, self._batches[index])
            self._right[index] = result, worst
        return worst

    def _worst_error(self, slot: Slot, answers: Sequence[_Answer]) -> float:
        worst = 0.0
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
    """The type to subtract in: halves and integers would overflow."""
    return dtype if dtype.kind == "f" and dtype.itemsize >= 4 else np.dtype(np.float64)
