"""Fits of cells and blocks."""

from dataclasses import fields

import numpy as np
import pytest

from controller.statistics import block_model
from controller.statistics.block_model import fit_blocks


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_many_cells_are_fitted_as_few_are(missing: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a column for each cell, which would take minutes, the fit is the same."""
    rng = np.random.default_rng(3)
    figures = rng.normal(size=(12, 5))
    figures[rng.random(figures.shape) < missing] = np.nan
    shares = rng.random((12, 2))
    few = fit_blocks(figures, shares)
    monkeypatch.setattr(block_model, "_MANY_CELLS", 5)
    many = fit_blocks(figures, shares)
    for field in fields(few):
        one, other = getattr(few, field.name), getattr(many, field.name)
        if field.name == "means":
            one, other = one - np.nanmean(one), other - np.nanmean(other)
        np.testing.assert_allclose(one, other, atol=1e-12, err_msg=field.name)
