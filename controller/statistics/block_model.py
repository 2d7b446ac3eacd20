"""What blocks say about cells: means, and what is left of their figures.

A block visits every cell that is still wanted, so what moves a whole block cancels in differences between
cells. The model of a log figure is

    y[c, b] = mean[c] + block[b] + sum over d of share[c, d] * drift[d, b] + noise[c, b]

A device's drift moves cells by their share of it. In a block with enough cells that share tells the drift
from noise. Its mean over blocks is an error that cells have in common and no figure shows, so `means` are
not corrected for it: it is part of what is uncertain (`controller.statistics.spread`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BlockFit", "fit_blocks"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BlockFit:
    """Means of cells, and what is left of their figures.

    Attributes:
        means: [cell], log figure; only differences mean something. NaN for a cell without any block.
        blocks: [cell], how many blocks a cell has a figure in.
        squares: [cell], sum of its squared residuals, without blocks' and devices' drift.
        degrees: [cell], degrees of freedom of `squares`.
        drift_loads: [cell, component], how a component of the drift moves a cell. No component where shares
            are unknown, alike in all cells, or the cells too few.
        drift_scales: [component], how much of a component a drift of 1 of a device makes.
        drift: [block, component], the drift in each block that has enough cells to tell.
        drift_noise: [component, cell], how much of a cell's variance is in the estimate of a component.
    """

    means: Floats
    blocks: Floats
    squares: Floats
    degrees: Floats
    drift_loads: Floats
    drift_scales: Floats
    drift: Floats
    drift_noise: Floats


def fit_blocks(figures: Floats, shares: Floats | None) -> BlockFit:
    """Fit cells and blocks by least squares, then devices' drift to what is left.

    Args:
        figures: [cell, block], logarithms; NaN where a cell has no figure in a block.
        shares: [cell, device], share of a cell's time that it spends on each device; None where unknown.

    Raises:
        ValueError: The shapes do not match.
    """
    cells, blocks = figures.shape
    if shares is not None and len(shares) != cells:
        raise ValueError(f"shares of {len(shares)} cells, but figures of {cells}")
    cell, block = np.nonzero(~np.isnan(figures))
    y = figures[cell, block]
    counts = np.bincount(cell, minlength=cells).astype(np.float64)
    loads, scales = _drift_basis(shares, cells)
    design = np.zeros((len(y), cells + blocks))
    design[np.arange(len(y)), cell] = 1
    design[np.arange(len(y)), cells + block] = 1
    fitted = np.linalg.lstsq(design, y, rcond=None)[0]
    rest = y - design @ fitted
    components, noise = _drift_by_block(rest, cell, block, loads, blocks)
    drift = np.zeros((len(y), blocks * loads.shape[1]))
    for k in range(loads.shape[1]):
        drift[np.arange(len(y)), k * blocks + block] = loads[cell, k]
    left, singular, _ = np.linalg.svd(np.hstack([design, drift]), full_matrices=False)
    left = left[:, singular > 1e-9 * singular[0]]
    rest = y - left @ (left.T @ y)
    free = 1 - np.sum(left**2, axis=1)
    return BlockFit(
        np.where(counts > 0, fitted[:cells], np.nan),
        counts,
        np.bincount(cell, rest**2, minlength=cells).astype(np.float64),
        np.clip(np.bincount(cell, free, minlength=cells), 0, None).astype(np.float64),
        loads,
        scales,
        components,
        noise,
    )


def _drift_basis(shares: Floats | None, cells: int) -> tuple[Floats, Floats]:
    """Directions, at right angles, in which devices can move cells apart; two cells need none: their paired
    difference has the drift in it."""
    if shares is None:
        return np.zeros((cells, 0)), np.zeros(0)
    left, scales, _ = np.linalg.svd(shares - shares.mean(axis=0), full_matrices=False)
    count = min(int(np.sum(scales > 1e-3)), max(0, cells - 2))
    return left[:, :count], scales[:count]


def _drift_by_block(
    rest: Floats, cell: NDArray[np.intp], block: NDArray[np.intp], loads: Floats, blocks: int
) -> tuple[Floats, Floats]:
    """Components of the drift in each block with enough cells, and their noise."""
    count = loads.shape[1]
    components, noise = [], np.zeros((count, len(loads)))
    for b in range(blocks if count else 0):
        here = block == b
        if np.sum(here) < count + 2:
            continue
        inverse = np.linalg.pinv(np.hstack([np.ones((int(np.sum(here)), 1)), loads[cell[here]]]))[1:]
        components.append(inverse @ rest[here])
        noise[:, cell[here]] += inverse**2
    if not components:
        return np.zeros((0, count)), noise
    return np.array(components), noise / len(components)
