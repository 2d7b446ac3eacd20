"""Errors of half precision, held to what NumPy's own makes of the samples."""

from pathlib import Path

import numpy as np

from benchmarks.truth.codec_figures import codec_figures
from controller.experiment.cells import cell_of
from controller.results import Settings
from exporter.bundle import export_null


def test_errors_are_those_of_the_values_that_cross_the_first_link(tmp_path: Path) -> None:
    bundle = export_null(tmp_path / "null", (64, 8, 32))
    (inputs,) = bundle.samples().inputs.values()
    for cut, kept in ((0, 64), (1, 8), (2, 8)):
        cell = cell_of(bundle, ("pi", "server"), (cut,), Settings(codec="fp16"))
        crossed = inputs[:, :kept]
        off = np.abs(crossed.astype(np.float16) - crossed).max(axis=1) / np.abs(crossed).max(axis=1)
        row = {"tensor_error": str(off.max()), "worst_error": "0.5"}
        if cell.codec == "none":
            continue
        tensor, answer = codec_figures("here", bundle, cell, row)
        assert tensor.holds
        assert not answer.holds
