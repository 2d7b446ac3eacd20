"""How much noise and drift could have moved the means of cells: moderated variances.

With two to five blocks a cell's own spread says little, so variances are pooled: the variance of a cell is
drawn from a scaled inverse chi-square distribution that all cells share (G. K. Smyth, "Linear models and
empirical Bayes methods for assessing differential expression in microarray experiments", Statistical
Applications in Genetics and Molecular Biology 3(1), 2004). Two things differ from limma's `fitFDist`. Its
two parameters, the typical variance and the degrees of freedom behind it, are averaged over what the data
allow, since a sweep has 2 to 50 cells and not 20,000 genes: a point estimate from so few would count as
known. And a small share of cells may be outliers with a wide distribution of their own, so that one
unsteady cell neither inflates the others nor is squeezed to them (the aim of B. Phipson et al., "Robust
hyperparameter estimation protects against hypervariable genes and improves power to detect differential
expression", Annals of Applied Statistics 10(2), 2016).

The size of a device's drift is told by how it differs between blocks; half of it may last from one block to
the next.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray

from controller.statistics.block_model import BlockFit

__all__ = ["Spread", "moderated_spread", "outlier_share", "systematic"]

Floats = NDArray[np.float64]

DRAWS = 2000
OUTLIERS = 0.05
"""Share of cells that are outliers, before their figures are seen."""
OUTLIER_DEGREES = 2.0
OUTLIER_RATIO = 5.0
_DEGREES = np.array([4.0, 8.0, 16.0, 32.0, 64.0, 1e6])
"""Degrees of freedom of the common distribution; the last: all cells have the same variance."""
_DRIFTS = np.geomspace(0.001, 0.3, 24)
"""Standard deviations of a device's drift: from 0.1 % to 30 % of its time."""
_NO_DRIFT = 0.6
"""Probability of no drift at all, before the figures are seen."""
_LASTING = (0.0, 0.5)
"""How much of a drift may still be there in the next block, equally probable before the figures are seen."""
_LEAST_SQUARES = 1e-14


@dataclass(frozen=True)
class Spread:
    """Draws of everything that could have moved the means.

    Attributes:
        typical: [draw], the typical variance of a figure.
        prior_degrees: [draw], degrees of freedom behind it: with many, all cells have nearly this variance.
        variances: [draw, cell], of one figure of a cell, drift left out.
        outliers: [cell], probability that a cell is an outlier.
        drifts: [draw, component], the variance that a component of the drift gives to a mean, times blocks.
            It is more than the variance between blocks where drift lasts from one block to the next.
    """

    typical: Floats
    prior_degrees: Floats
    variances: Floats
    outliers: Floats
    drifts: Floats

    @property
    def noise(self) -> float:
        """The typical standard deviation of a log figure, median over draws."""
        return float(np.sqrt(np.median(self.typical)))

    @property
    def unsteady(self) -> list[int]:
        """Cells that are outliers, with a probability above one half."""
        return [int(cell) for cell in np.flatnonzero(self.outliers > 0.5)]

    @property
    def drift_probability(self) -> float:
        """That a device's speed differed between blocks."""
        return float(np.mean(np.any(self.drifts > 0, axis=1)))


def moderated_spread(fit: BlockFit, rng: np.random.Generator, draws: int = DRAWS) -> Spread:
    """Draw variances of cells and of devices' drift from what the residuals allow.

    Raises:
        ValueError: No cell has a degree of freedom, as with one block: nothing is known of the noise.
    """
    if np.sum(fit.degrees) < 0.5:
        raise ValueError("the noise is unknown with fewer than two cells in two blocks")
    typical, prior_degrees = _common_distribution(fit, rng, draws)
    share = outlier_share(fit, typical, prior_degrees)
    outlier = rng.random(share.shape) < share
    degrees = np.where(outlier, OUTLIER_DEGREES, prior_degrees[:, None])
    scale = typical[:, None] * np.where(outlier, OUTLIER_RATIO, 1.0)
    variances = (degrees * scale + fit.squares) / rng.chisquare(degrees + fit.degrees)
    drifts = _drift_variances(fit, variances, rng)
    return Spread(typical, prior_degrees, variances, share.mean(axis=0), drifts)


def outlier_share(fit: BlockFit, typical: Floats, prior_degrees: Floats) -> Floats:
    """Probability that a cell is an outlier: [draw, cell]. With two cells no one can tell which: 0."""
    if len(fit.degrees) == 2:
        return np.zeros((len(typical), 2))
    odds = _log_density(fit, typical[:, None], prior_degrees[:, None])
    odds -= _log_density(fit, OUTLIER_RATIO * typical[:, None], np.full((len(typical), 1), OUTLIER_DEGREES))
    np.exp(np.clip(odds, -50, 50, out=odds), out=odds)
    odds *= (1 - OUTLIERS) / OUTLIERS
    odds += 1
    return np.reciprocal(odds, out=odds)


def _log_density(fit: BlockFit, scale: Floats, degrees: Floats) -> Floats:
    """Of cells' squares, `scale` times a chi-square over another one: a beta prime distribution.

    Args:
        scale, degrees: [draw, 1].
    """
    own, squares = np.maximum(fit.degrees, 1e-6), np.maximum(fit.squares, _LEAST_SQUARES)
    whole = degrees * scale
    density: Floats = np.log1p(squares / whole)
    density *= (own + degrees) / -2
    density += (own / 2 - 1) * (np.log(squares) - np.log(whole)) - np.log(whole)
    # Draws have few degrees of freedom that differ, and the function takes long.
    kinds, kind = np.unique(degrees, return_inverse=True)
    density -= scipy.special.betaln(own / 2, kinds[:, None] / 2)[kind.ravel()]
    density[:, fit.degrees <= 1e-6] = 0.0
    return density


def _common_distribution(fit: BlockFit, rng: np.random.Generator, draws: int) -> tuple[Floats, Floats]:
    """Draws of its typical variance (flat in the logarithm) and its degrees of freedom, from a grid."""
    total = float(np.sum(fit.degrees))
    pooled = max(float(np.sum(fit.squares)), _LEAST_SQUARES) / total
    usable = fit.degrees > 0.01
    middle = max(float(np.median(fit.squares[usable] / fit.degrees[usable])), _LEAST_SQUARES)
    low = min(np.log(pooled), np.log(middle)) + np.log(total / scipy.special.chdtri(total, 1e-4)) - 0.7
    high = np.log(pooled) + np.log(total / (2 * scipy.special.gammaincinv(total / 2, 1e-3))) + 0.7
    grid = np.linspace(low, high, 160)
    kinds = _DEGREES if len(fit.degrees) > 2 else _DEGREES[-1:]
    scale, degrees = (each.ravel()[:, None] for each in np.meshgrid(np.exp(grid), kinds, indexing="ij"))
    usual = _log_density(fit, scale, degrees)
    if len(fit.degrees) > 2:
        wide = _log_density(fit, OUTLIER_RATIO * scale, np.full_like(degrees, OUTLIER_DEGREES))
        usual = np.logaddexp(np.log(1 - OUTLIERS) + usual, np.log(OUTLIERS) + wide)
    logs = np.sum(usual, axis=1)
    weights = np.exp(logs - logs.max())
    picked = systematic(weights, draws, rng)
    jitter = np.exp((rng.random(draws) - 0.5) * (grid[1] - grid[0]))
    return scale[picked, 0] * jitter, degrees[picked, 0]


def systematic(weights: Floats, draws: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices drawn in proportion to `weights`, as evenly as they allow, in random order."""
    edges = np.cumsum(weights)
    picked = np.searchsorted(edges, (np.arange(draws) + rng.random()) / draws * edges[-1])
    return rng.permutation(np.minimum(picked, len(weights) - 1))


def _drift_variances(fit: BlockFit, variances: Floats, rng: np.random.Generator) -> Floats:
    """By Bayes' rule over `_DRIFTS` and `_LASTING`, from differences between blocks alone."""
    draws, count = len(variances), fit.drift_loads.shape[1]
    drifts = np.zeros((draws, count))
    blocks = len(fit.drift)
    if blocks < 2:
        # Nothing to tell its size from: what it may be before any figure is seen.
        sizes = rng.choice(_DRIFTS, size=(draws, count)) * (rng.random((draws, count)) > _NO_DRIFT)
        return (sizes * fit.drift_scales) ** 2
    contrasts = np.linalg.svd(np.ones((1, blocks)))[2][1:]
    steps = np.abs(np.subtract.outer(np.arange(blocks), np.arange(blocks)))
    for k in range(count):
        noise = (variances @ fit.drift_noise[k])[:, None]
        sizes = (np.concatenate([[0.0], _DRIFTS]) * fit.drift_scales[k]) ** 2
        logs, means = [], []
        for lasting in _LASTING:
            alike = np.where(steps == 0, 1.0, lasting ** np.maximum(steps, 1))
            shares, axes = np.linalg.eigh(contrasts @ alike @ contrasts.T)
            squares = (axes.T @ contrasts @ fit.drift[:, k]) ** 2
            total = sizes[:, None] * shares + noise[:, :, None]
            logs.append(-0.5 * np.sum(np.log(total) + squares / total, axis=2))
            means.append(sizes * alike.sum() / blocks)
        prior = np.where(sizes > 0, (1 - _NO_DRIFT) / len(_DRIFTS), _NO_DRIFT)
        both = np.concatenate(logs, axis=1) + np.log(np.tile(prior, len(_LASTING)))
        edges = np.cumsum(np.exp(both - both.max(axis=1, keepdims=True)), axis=1)
        picked = np.sum(edges < (rng.random(draws) * edges[:, -1])[:, None], axis=1)
        drifts[:, k] = np.concatenate(means)[np.minimum(picked, edges.shape[1] - 1)]
    return drifts
