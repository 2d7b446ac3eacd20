"""How sure an answer is: the probability that the chosen cell is within 2 % of the best one.

The cell that measured best is partly the luckiest, the more so the more cells there are: of 50 equal ones
the best seems 2.2 standard errors better than it is. Cells' true figures are therefore taken as drawn from
a common distribution, and pulled towards it by as much as the noise demands (empirical Bayes: B. Efron,
"Tweedie's formula and selection bias", Journal of the American Statistical Association 106, 2011; a
posterior needs no further correction for having picked: A. P. Dawid, "Selection paradoxes of Bayesian
inference", IMS Lecture Notes 24, 1994). Nor does it need one for repeated looks, as long as the family of
distributions is right; planted sweeps test that.

Figures are logarithms of which less is better: latency, or minus the logarithm of throughput.

The distribution is unknown: it is averaged over a list of shapes (all cells near one figure, spread evenly,
a crowd at the best with a tail, a group of equals at the best), places and widths, each by how well it
explains the means. A cell far from the best, and one that is no candidate (a baseline), is taken as
measured.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from controller.statistics.block_model import BlockFit
from controller.statistics.spread import (
    OUTLIER_DEGREES,
    OUTLIER_RATIO,
    Spread,
    outlier_share,
    systematic,
)

__all__ = ["MARGIN", "Gain", "Posterior", "posterior"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MARGIN = 0.02
"""Cells within this of the best are as good as it."""
_SAMPLES = 1000
_ABOUT = 0.01
"""Cells this close in certainty differ by no more than samples do."""
_LEAST_ERROR = 1e-4
"""No mean is taken as better known than to 0.01 %: the grid of true figures is no finer."""
_WIDTHS = {0.0005: 0.2, 0.005: 0.08, 0.01: 0.1, 0.02: 0.14, 0.04: 0.2, 0.08: 0.19, 0.16: 0.07, 0.32: 0.02}
"""Of the distribution of log figures, from 0.05 %, which is all alike, to 32 %, with their weights before any
figure is seen. They only matter where the noise is as large as the gaps, most of all with two cells."""
_BELOW, _ABOVE = 0.25, 0.7
"""How far from the best mean a true figure may lie, to be part of the common distribution."""


@dataclass(frozen=True)
class Gain:
    """How many times more one cell's figure is than another's, corrected for the picking.

    Attributes:
        factor: Median.
        low, high: Interval at the level that was requested.
    """

    factor: float
    low: float
    high: float


@dataclass(frozen=True)
class Posterior:
    """Samples of what cells' true log figures may be; less is better.

    Attributes:
        samples: [sample, cell]; only differences between cells mean something.
        candidates: [cell], which cells the best is one of.
        chosen: Index of the candidate that is most probably within 2 % of the best; of those that are so to
            within 1 %, the one that measured best.
        sure: [cell], probability of being within 2 % of the best candidate; 0 for other cells.
    """

    samples: Floats
    candidates: Bools
    chosen: int
    sure: Floats

    @property
    def probability(self) -> float:
        """How sure the answer is."""
        return float(self.sure[self.chosen])

    def gain(self, other: int, *, over: int, level: float) -> Gain:
        """Compare the figure of another cell with that of `over`."""
        drawn = self.samples[:, other] - self.samples[:, over]
        low, middle, high = np.exp(np.quantile(drawn, [(1 - level) / 2, 0.5, (1 + level) / 2]))
        return Gain(float(middle), float(low), float(high))

    def same(self, level: float = 0.95) -> tuple[int, ...]:
        """Candidates that are, all of them together and this surely, within 2 % of the best.

        The surest first; a cell joins while the set stays that sure. Empty where not even the first is.
        """
        best = self.samples[:, self.candidates].min(axis=1)
        within: Bools = (self.samples <= best[:, None] + np.log1p(MARGIN)) & self.candidates
        joint = np.ones(len(within), dtype=np.bool_)
        members: list[int] = []
        for cell in np.argsort(-within.mean(axis=0), kind="stable"):
            joint &= within[:, cell]
            if not self.candidates[cell] or joint.mean() < level:
                break
            members.append(int(cell))
        return tuple(members)

    def could_change(self, until: float) -> Bools:
        """Which cells are worth another block: the chosen one, and those that could make the answer wrong.

        The other cells together beat the chosen one by more than 2 % with a probability of at most a fifth of
        what `until` leaves.

        Returns:
            [cell]; all False where the answer is that sure.
        """
        if self.probability >= until:
            return np.zeros(len(self.candidates), dtype=np.bool_)
        better = self.samples < self.samples[:, [self.chosen]] - np.log1p(MARGIN)
        better &= self.candidates
        worth: Bools = better.any(axis=0)
        missed = np.zeros(len(better), dtype=np.bool_)
        for cell in np.argsort(better.mean(axis=0), kind="stable"):
            missed |= better[:, cell]
            if missed.mean() > (1 - until) / 5:
                break
            worth[cell] = False
        worth[self.chosen] = True
        return worth


def posterior(
    fit: BlockFit,
    spread: Spread,
    rng: np.random.Generator,
    candidates: Bools,
) -> Posterior:
    """Sample cells' true figures.

    Args:
        fit: Of log figures of which less is better: latency, or minus the logarithm of throughput.
        candidates: [cell], which cells the best is one of, where they have a mean.

    Raises:
        ValueError: No candidate has a mean.
    """
    among = candidates & ~np.isnan(fit.means)
    if not among.any():
        raise ValueError("no candidate has a figure")
    drawn = _sample(fit, spread, rng, among, _SAMPLES)
    best = drawn[:, among].min(axis=1)
    within = (drawn <= best[:, None] + np.log1p(MARGIN)) & among
    # What all samples agree on is not certain for that, unless there is nothing to choose from.
    sure = within.sum(axis=0) / (len(drawn) + (among.sum() > 1))
    about = among & (sure >= sure.max() - _ABOUT)
    return Posterior(drawn, among, int(np.argmin(np.where(about, fit.means, np.inf))), sure)


def _sample(fit: BlockFit, spread: Spread, rng: np.random.Generator, among: Bools, samples: int) -> Floats:
    means = fit.means - np.min(fit.means[among])
    typical = float(np.exp(np.median(np.log(spread.typical))))
    error = max(np.sqrt(typical / np.median(fit.blocks[among])), _LEAST_ERROR)
    grid, priors, weights = _priors(int(np.round(2 * np.log2(np.clip(error, 2e-4, 0.008)))))
    inside = among & (means < min(_ABOVE, 60 * error) * 0.8) & (np.sum(among) > 1)
    scenarios = int(np.clip(400 // len(means), 16, 64))
    picks = np.linspace(0, len(spread.typical) - 1, scenarios).astype(np.intp)
    scene = _scenes(fit, spread, picks, rng)
    # [scenario, cell, place]: likelihood of each true figure.
    likely = np.stack([_likelihood(s, means, grid) for s in scene])
    flat = np.array([s.draw(means, rng, -(-samples // scenarios)) for s in scene])
    if inside.sum() < 2:
        return flat.reshape(-1, len(means))[rng.permutation(len(scene) * flat.shape[1])[:samples]]
    explained = likely[:, inside].reshape(-1, len(grid)).astype(np.float32) @ priors
    logs = np.log(explained + 1e-30).reshape(len(scene), -1, len(weights)).sum(axis=1, dtype=np.float64)
    logs += np.log(weights)
    joint = np.exp(logs - logs.max())
    picked = systematic(joint.ravel(), samples, rng)
    which, kind = np.divmod(picked, len(weights))
    drawn = flat[which, rng.integers(flat.shape[1], size=samples)]
    cells = np.flatnonzero(inside)
    step = np.gradient(grid)
    chosen_priors = priors.T[kind]
    for cell in cells:
        edges = np.cumsum(likely[which, cell] * chosen_priors, axis=1)
        place = np.sum(edges < (rng.random(samples) * edges[:, -1])[:, None], axis=1)
        place = np.minimum(place, len(grid) - 1)
        drawn[:, cell] = grid[place] + (rng.random(samples) - 0.5) * step[place]
    return drawn


@dataclass(frozen=True)
class _Scene:
    """One draw of what cells share: [cell] each, but `prior_degrees`.

    Attributes:
        shift: What drift added to each mean.
        squares, degrees: Of a mean's usual distribution, Student's: squared scale and degrees of freedom.
        wide, wide_degrees, wide_share: The same of an outlier, and the probability of being one.
    """

    shift: Floats
    squares: Floats
    degrees: Floats
    wide: Floats
    wide_degrees: Floats
    wide_share: Floats

    def draw(self, means: Floats, rng: np.random.Generator, samples: int) -> Floats:
        shape = (samples, len(means))
        outlier = rng.random(shape) < self.wide_share
        degrees = np.where(outlier, self.wide_degrees, self.degrees)
        scale = np.sqrt(np.where(outlier, self.wide, self.squares))
        return means - self.shift + scale * rng.standard_t(degrees)


def _scenes(fit: BlockFit, spread: Spread, picks: NDArray[np.intp], rng: np.random.Generator) -> list[_Scene]:
    share = outlier_share(fit, spread.typical[picks], spread.prior_degrees[picks])
    blocks = np.maximum(fit.blocks, 1)
    scenes = []
    for i, pick in enumerate(picks):
        prior, typical = spread.prior_degrees[pick], spread.typical[pick]
        drift = np.sqrt(spread.drifts[pick]) * rng.normal(size=spread.drifts.shape[1])
        degrees, wide = prior + fit.degrees, OUTLIER_DEGREES + fit.degrees
        scenes.append(
            _Scene(
                fit.drift_loads @ drift / np.sqrt(blocks),
                np.maximum((prior * typical + fit.squares) / degrees / blocks, _LEAST_ERROR**2),
                degrees,
                np.maximum(
                    (OUTLIER_DEGREES * OUTLIER_RATIO * typical + fit.squares) / wide / blocks, _LEAST_ERROR**2
                ),
                wide,
                share[i],
            )
        )
    return scenes


def _likelihood(scene: _Scene, means: Floats, grid: Floats) -> Floats:
    away = np.nan_to_num(means - scene.shift)[:, None] - grid
    usual = _student(away, scene.squares[:, None], scene.degrees[:, None])
    wide = _student(away, scene.wide[:, None], scene.wide_degrees[:, None])
    return (1 - scene.wide_share[:, None]) * usual + scene.wide_share[:, None] * wide


def _student(away: Floats, squares: Floats, degrees: Floats) -> Floats:
    constant = (
        scipy.special.gammaln((degrees + 1) / 2)
        - scipy.special.gammaln(degrees / 2)
        - 0.5 * np.log(degrees * np.pi * squares)
    )
    density: Floats = np.exp(constant - (degrees + 1) / 2 * np.log1p(away**2 / (degrees * squares)))
    return density


@lru_cache(maxsize=32)
def _priors(half_octaves: int) -> tuple[Floats, NDArray[np.float32], Floats]:
    """Places of true figures, and distributions over them.

    Args:
        half_octaves: Standard error of a mean, as 2^(n/2).

    Returns:
        Places, close together around 0; [distribution, place] probabilities; weight of each distribution.
    """
    error = 2 ** (half_octaves / 2)
    bend = 15 * error
    count = int(30 * (np.arcsinh(_ABOVE / bend) + np.arcsinh(_BELOW / bend)))
    grid = bend * np.sinh(np.linspace(-np.arcsinh(_BELOW / bend), np.arcsinh(_ABOVE / bend), count))
    step = np.gradient(grid)
    priors, weights = [], []
    for width, share in _WIDTHS.items():
        places = [grid[2]]
        while places[-1] < grid[-3]:
            near = step[np.searchsorted(grid, places[-1])]
            places.append(places[-1] + max(0.7 * width, 2 * near))
        for place, apart in zip(places, np.gradient(places), strict=True):
            for shape in _shapes(grid, step, place, width, error):
                total = shape.sum()
                if total > 0:
                    priors.append(shape / total)
                    weights.append(share * apart)
    return grid, np.array(priors, dtype=np.float32).T.copy(), np.array(weights) / np.sum(weights)


def _shapes(grid: Floats, step: Floats, place: float, width: float, error: float) -> list[Floats]:
    away = (grid - place) / width
    near = np.exp(-0.5 * ((grid - place) / np.maximum(error / 4, step / 2)) ** 2) * step
    near = _scaled(near)
    everywhere = 0.02 * step / step.sum()
    normal = _scaled(np.exp(-0.5 * away**2) * step)
    tail = _scaled(np.where(away >= 0, np.exp(-np.abs(away)), 0.0) * step)
    even = _scaled(np.where((away >= 0) & (away <= 3.5), 1.0, 0.0) * step)
    below = _scaled(np.where((away <= 0) & (away >= -3.5), 1.0, 0.0) * step)
    shapes = [
        normal,
        tail,
        even,
        0.4 * near + 0.6 * tail,
        0.4 * near + 0.6 * even,
        0.85 * near + 0.15 * normal,
        0.85 * near + 0.15 * below,
    ]
    return [shape + everywhere for shape in shapes]


def _scaled(shape: Floats) -> Floats:
    return shape / max(float(shape.sum()), 1e-300)
