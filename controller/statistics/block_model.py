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

_MANY_CELLS = 150
"""With more, a column for each cell takes longer than all else, as its cost rises with their cube."""
_RANK = 1e-9


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
    of_blocks = np.zeros((len(y), blocks))
    of_blocks[np.arange(len(y)), block] = 1
    drift = np.zeros((len(y), blocks * loads.shape[1]))
    for k in range(loads.shape[1]):
        drift[np.arange(len(y)), k * blocks + block] = loads[cell, k]
    parts = _Whole(cell, cells) if cells <= _MANY_CELLS else _WithinCells(cell, cells)
    means, rest = parts.fit(y, of_blocks)
    components, noise = _drift_by_block(rest, cell, block, loads, blocks)
    rest, free = parts.left_over(y, np.hstack([of_blocks, drift]))
    return BlockFit(
        np.where(counts > 0, means, np.nan),
        counts,
        np.bincount(cell, rest**2, minlength=cells).astype(np.float64),
        np.clip(np.bincount(cell, free, minlength=cells), 0, None).astype(np.float64),
        loads,
        scales,
        components,
        noise,
    )


class _Whole:
    """Least squares with a column for each cell, beside the columns that are given.

    Args:
        cell: Of each row.
    """

    def __init__(self, cell: NDArray[np.intp], cells: int) -> None:
        self._cells = cells
        self._of_cells = np.zeros((len(cell), cells))
        self._of_cells[np.arange(len(cell)), cell] = 1

    def fit(self, y: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """Means of cells, to a constant, and what is left of `y`."""
        design = np.hstack([self._of_cells, columns])
        fitted = np.linalg.lstsq(design, y, rcond=None)[0]
        return np.asarray(fitted[: self._cells], dtype=np.float64), np.asarray(
            y - design @ fitted, dtype=np.float64
        )

    def left_over(self, y: Floats, columns: Floats) -> tuple[Floats, Floats]:
        """What is left of `y`, and of each row's degree of freedom."""
        left, singular, _ = np.linalg.svd(np.hstack([self._of_cells, columns]), full_matrices=False)
        left = left[:, singular > _RANK * singular[0]]
        return np.asarray(y - left @ (left.T @ y)), np.asarray(1 - np.sum(left**2, axis=1))


class _WithinCells:
    """The same without a column for each cell: from differences to its cell's mean alone.

    R. Frisch and F. V. Waugh, "Partial time regressions as compared with individual trends", Econometrica 1,
    1933.
    """

    def __init__(self, cell: NDArray[np.intp], cells: int) -> None:
        self._cell, self._cells = cell, cells
        self._counts = np.maximum(np.bincount(cell, minlength=cells), 1)

    def fit(self, y: Floats, columns: Floats) -> tuple[Floats, Floats]:
        fitted = np.linalg.lstsq(self._within(columns), self._within(y[:, None])[:, 0], rcond=None)[0]
        rest = y - columns @ fitted
        means = self._means(rest[:, None])[:, 0]
        return means, np.asarray(rest - means[self._cell], dtype=np.float64)

    def left_over(self, y: Floats, columns: Floats) -> tuple[Floats, Floats]:
        within = self._within(y[:, None])[:, 0]
        left, singular, _ = np.linalg.svd(self._within(columns), full_matrices=False)
        left = left[:, singular > _RANK * singular[0]]
        free: Floats = 1 - 1 / self._counts[self._cell] - np.sum(left**2, axis=1)
        return np.asarray(within - left @ (left.T @ within)), free

    def _means(self, columns: Floats) -> Floats:
        sums = np.zeros((self._cells, columns.shape[1]))
        np.add.at(sums, self._cell, columns)
        return np.asarray(sums / self._counts[:, None])

    def _within(self, columns: Floats) -> Floats:
        return np.asarray(columns - self._means(columns)[self._cell])


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
