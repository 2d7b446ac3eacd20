"""The highest rate that keeps a quantile of latency below a bound, from what requests took."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.statistics.steady_state import Arrivals, Bounded, OpenRun, Resampled, arrivals_at_1, period_s
from controller.statistics.tandem import Chain

__all__ = ["MOST_UTILISATION", "RateModel"]

Floats = NDArray[np.float64]

_GROUPS = 20
_IN_GROUP = 10
_REQUESTS = 1_500
_WARMUP = 500
_HALVINGS = 14

MOST_UTILISATION = 0.98
"""Above it a run of any reasonable length is still filling."""


@dataclass(frozen=True)
class RateModel:
    """Latencies of a chain at any rate, by the recursion of `controller.statistics.tandem`.

    Attributes:
        beyond_s: What the quantile has beyond the recursion's, by a run of the same arrivals.
    """

    arrivals: Arrivals
    chain: Chain
    quantile: float
    beyond_s: float

    @classmethod
    def of(cls, run: OpenRun, quantile: float) -> "RateModel":
        """From a run under an open load."""
        measured_s = float(np.quantile(run.latency_s[run.counted], quantile))
        beyond_s = measured_s - float(np.quantile(run.recursion_s(), quantile))
        return cls(run.arrivals, run.chain.part(run.counted), quantile, beyond_s)

    def latency_s(self, rate_per_s: float, rng: np.random.Generator) -> float:
        """The quantile at a rate, in the long run."""
        return float(np.median(_Simulated(self, rng).quantiles_s(np.full(_GROUPS, rate_per_s))))

    def highest_rate(self, bound_s: float, rng: np.random.Generator) -> Bounded | None:
        """The highest rate with the quantile within `bound_s`, at most 98 % of what the pipeline can do.

        None where no rate keeps the bound.
        """
        simulated = _Simulated(self, rng)
        low, high = np.zeros(_GROUPS), MOST_UTILISATION / simulated.periods_s
        if np.median(simulated.quantiles_s(high * 1e-3)) > bound_s:
            return None
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            holds = simulated.quantiles_s(middle) <= bound_s
            low, high = np.where(holds, middle, low), np.where(holds, high, middle)
        ends = np.quantile(low, [0.025, 0.975])
        return Bounded(float(np.median(low)), float(ends[0]), float(ends[1]))


class _Simulated:
    """The same draws at every rate; each group has stretches of its own."""

    def __init__(self, model: RateModel, rng: np.random.Generator) -> None:
        self._model = model
        self._drawn = Resampled(model.chain, _WARMUP + _REQUESTS, _GROUPS, rng, in_group=_IN_GROUP)
        slowest_s = float(model.chain.services_s.mean(axis=0).max())
        factor = period_s(model.chain, rng) / slowest_s
        self.periods_s = self._drawn.means_s.max(axis=1) * factor
        self._due = arrivals_at_1(model.arrivals, self._drawn.delays_s.shape, rng)

    def quantiles_s(self, rates_per_s: Floats) -> Floats:
        """[group]"""
        due_s = self._due / np.repeat(rates_per_s, _IN_GROUP)
        latency_s = self._drawn.latencies_s(due_s)[_WARMUP:].reshape(_REQUESTS, _GROUPS, _IN_GROUP)
        quantiles: Floats = np.quantile(latency_s, self._model.quantile, axis=(0, 2))
        return quantiles + self._model.beyond_s
