"""Planted sweeps: cells of known log latency, measured in blocks with a stated noise.

A family states what the noise is like; each sweep draws its own gaps, from 0 to 20 % of the best, in one of
several shapes. The estimator assumes normal noise, variances around a common one, drift that is new
in each block or of which half lasts, and gaps of a few shapes. `ASSUMED` says which families keep to that.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["ASSUMED", "FAMILIES", "Planted", "plant"]

Floats = NDArray[np.float64]
Rng = np.random.Generator


@dataclass(frozen=True)
class Planted:
    """One sweep.

    Attributes:
        truth: [cell], log latency without noise.
        figures: [cell, block].
        shares: [cell, device]; None where the estimator is not told.
    """

    truth: Floats
    figures: Floats
    shares: Floats | None


def gaps(cells: int, rng: Rng) -> Floats:
    """Log of how many times slower than the best each cell is, in random order."""
    widest = rng.uniform(0, 0.2)
    shape = rng.integers(5)
    if shape == 0:
        factors = np.zeros(cells)
    elif shape == 1:
        factors = rng.uniform(0, widest, cells)
    elif shape == 2:  # one winner, all others alike
        factors = np.full(cells, widest)
        factors[0] = 0
    elif shape == 3:  # a group of equals at the best
        factors = np.where(np.arange(cells) < max(2, cells // 3), 0, rng.uniform(0, widest, cells))
    else:  # a valley along the cut points
        place = np.abs(np.linspace(0, 1, cells) - rng.random())
        factors = widest * place
    factors = factors - factors.min()
    logs: Floats = np.log1p(factors)[rng.permutation(cells)]
    return logs


def _two_near(cells: int, rng: Rng) -> Floats:
    """The same of two cells as near each other as those of a sweep of two, and of others far from both."""
    far = np.log(rng.uniform(1.4, 4.0, cells - 2))
    logs: Floats = np.concatenate([gaps(2, rng), far])[rng.permutation(cells)]
    return logs


def _normal(rng: Rng, cells: int, blocks: int) -> Floats:
    return rng.normal(size=(cells, blocks))


def _varied(rng: Rng, cells: int, blocks: int) -> Floats:
    """Variances that differ from cell to cell, as the estimator assumes."""
    deviations: Floats = np.sqrt(8 / rng.chisquare(8, size=(cells, 1)))
    return rng.normal(size=(cells, blocks)) * deviations


def _heavy(rng: Rng, cells: int, blocks: int) -> Floats:
    """Student's t with 3 degrees of freedom."""
    drawn: Floats = rng.standard_t(3, size=(cells, blocks))
    return drawn / 3**0.5


def _spikes(rng: Rng, cells: int, blocks: int) -> Floats:
    """One figure in ten is slower by 3 deviations on average, never faster."""
    spike: Floats = np.where(rng.random((cells, blocks)) < 0.1, rng.exponential(3, (cells, blocks)), 0.0)
    return rng.normal(size=(cells, blocks)) + spike


def _one_noisy(rng: Rng, cells: int, blocks: int) -> Floats:
    """One cell with five times the variance."""
    deviations = np.ones((cells, 1))
    deviations[rng.integers(cells)] = np.sqrt(5)
    return rng.normal(size=(cells, blocks)) * deviations


NOISE: Mapping[str, Callable[[Rng, int, int], Floats]] = {
    "normal": _normal,
    "varied": _varied,
    "heavy tails": _heavy,
    "spikes": _spikes,
    "one noisy cell": _one_noisy,
    "two near": _normal,
    "drift": _normal,
    "drift step": _normal,
    "drift lasting": _normal,
    "drift shares unknown": _normal,
}
FAMILIES = tuple(NOISE)
ASSUMED = ("normal", "varied", "one noisy cell", "two near", "drift", "drift lasting")


def _drift(family: str, rng: Rng, blocks: int) -> Floats:
    """Log of how much slower one device is in each block."""
    if family == "drift step":  # slow in one block
        return np.where(np.arange(blocks) == rng.integers(blocks), 0.03, 0.0)
    fresh = rng.normal(scale=0.02, size=blocks)
    if family == "drift lasting":  # half of it stays for the next block
        for b in range(1, blocks):
            fresh[b] = 0.5 * fresh[b - 1] + np.sqrt(0.75) * fresh[b]
    return fresh


def plant(family: str, cells: int, blocks: int, rng: Rng) -> Planted:
    """A sweep with noise of 0.5 to 20 % and blocks that differ by 3 %."""
    truth = _two_near(cells, rng) if family == "two near" else gaps(cells, rng)
    figures = truth[:, None] + np.exp(rng.uniform(np.log(0.005), np.log(0.2))) * NOISE[family](
        rng, cells, blocks
    )
    figures = figures + rng.normal(scale=0.03, size=blocks)
    first = rng.permutation(np.linspace(0, 1, cells)) if cells > 2 else rng.uniform(0, 1, cells)
    shares = np.stack([first, 1 - first], axis=1)
    if family.startswith("drift"):
        figures = figures + first[:, None] * _drift(family, rng, blocks)
        if family.endswith("unknown"):
            return Planted(truth, figures, None)
    return Planted(truth, figures, shares)
