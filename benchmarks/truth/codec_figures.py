"""What half precision does to tensors of the null model: copies of its input, cut short or filled up."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.truth.compared import Compared, Row, number
from controller.results import Cell
from exporter.bundle import Bundle

__all__ = ["codec_figures"]


def codec_figures(where: str, bundle: Bundle, cell: Cell, row: Row) -> Iterator[Compared]:
    """The errors of a cell in `cells.csv` whose links all have `fp16`: the largest over all samples."""
    assert cell.codec == "fp16"
    samples = bundle.samples()
    (inputs,), (answers,) = samples.inputs.values(), samples.answers.values()
    kept = min(bundle.tensors_at(cut)[0].concrete(1)[1] for cut in range(cell.cuts[0] + 1))
    yield number(where, "tensor error", row.get("tensor_error"), _error(inputs[:, :kept]))
    yield number(where, "worst error with a codec", row.get("worst_error"), _error(answers))


def _error(tensors: NDArray[np.float32]) -> float:
    """Relative to a tensor's own maximum."""
    halved = tensors.astype(np.float16).astype(np.float32)
    return float(np.max(np.abs(halved - tensors).max(axis=1) / np.abs(tensors).max(axis=1)))
