"""Figures from few samples, and what can honestly be said about them.

Two levels, never mixed: requests within a trial give the trial's quantiles; trials give a figure's
interval. Requests of one trial share whatever disturbed that trial, so they say nothing about how a
repetition would come out; trials do.
"""

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from controller.statistics.steady_state import Bounded

__all__ = [
    "BOOTSTRAP_TRIALS",
    "NOTHING",
    "Estimate",
    "estimate",
    "in_the_long_run",
    "interval",
    "quantile",
    "ratio",
    "samples_needed",
]

BOOTSTRAP_TRIALS = 6
"""From this many trials on the interval is a bootstrap's. With fewer, the bootstrap of a median can
return nothing but the trials themselves, and the range says the same without the name."""

LONG_RUN = "queue95"

_RESAMPLES = 2000
_CONFIDENCE = 0.99
_INTERVAL = 0.95


@functools.cache
def samples_needed(q: float) -> int:
    """Samples that a quantile wants: 11 for 0.5, 64 for 0.9, 130 for 0.95, 662 for 0.99.

    The smallest n with 1 - q^n - n (1 - q) q^(n-1) >= 0.99: with 99 % confidence at least a share q
    of what could have been drawn lies within the drawn samples (Wilks, "Determination of sample
    sizes for setting tolerance limits", Annals of Mathematical Statistics 12, 1941).
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies between 0 and 1, not at {q}")
    n = 2
    while 1 - q**n - n * (1 - q) * q ** (n - 1) < _CONFIDENCE:
        n += 1
    return n


def quantile(samples: ArrayLike, q: float) -> float | None:
    """The q-quantile of `samples`, or None where they are too few for it."""
    values = np.asarray(samples, dtype=np.float64)
    if len(values) < samples_needed(q):
        return None
    # The median alone takes a third of the time, and each trial of a sweep has one.
    return float(np.median(values) if q == 0.5 else np.quantile(values, q))


@dataclass(frozen=True)
class Estimate:
    """A figure over trials: their median, with an interval where there is more than one.

    Attributes:
        kind: `range` (lowest and highest trial), `bootstrap95`, `queue95` (of an open load's long run), or
            None without an interval.
        values: The trials' own figures, in their order; what resampling draws from.
        blocks: Of each value, the block that its trial ran in.
    """

    value: float | None
    low: float | None
    high: float | None
    trials: int
    kind: str | None
    values: tuple[float, ...] = field(default=(), compare=False, repr=False)
    blocks: tuple[int, ...] = field(default=(), compare=False, repr=False)

    def bounds(self, name: str) -> dict[str, float | None]:
        """Its value and its interval, as three columns."""
        return {name: self.value, f"{name}_low": self.low, f"{name}_high": self.high}


NOTHING = Estimate(None, None, None, 0, None)


def estimate(trials: Sequence[float | None], blocks: Sequence[int] = ()) -> Estimate:
    """The median over trials and its interval.

    Two to five trials: their range, which for three covers the true median with 75 % (1 - 2 / 2^n).
    Six or more: percentile bootstrap of the median, 95 %, with a fixed seed (Efron, "Bootstrap methods:
    another look at the jackknife", Annals of Statistics 7, 1979). Of fewer the bootstrap gives the range too:
    of five trials 5.8 % of the resampled medians are the lowest one. One: no interval. A trial that could
    not give the figure (None) leaves the whole without it, rather than a median over fewer.

    Args:
        blocks: The block of each trial; the first, second and so on, unless told.
    """
    values = [v for v in trials if v is not None]
    if not values or len(values) < len(trials):
        return Estimate(None, None, None, len(trials), None)
    middle = float(statistics.median(values))
    numbers = tuple(blocks) or tuple(range(len(values)))
    if len(values) == 1:
        return Estimate(middle, None, None, 1, None, tuple(values), numbers)
    if len(values) < BOOTSTRAP_TRIALS:
        low, high, kind = float(min(values)), float(max(values)), "range"
    else:
        array = np.asarray(values, dtype=np.float64)
        drawn = np.random.default_rng(0).choice(array, size=(_RESAMPLES, len(array)))
        (low, high), kind = interval(np.median(drawn, axis=1)), "bootstrap95"
    return Estimate(middle, low, high, len(values), kind, tuple(values), numbers)


def in_the_long_run(trials: Sequence[Bounded | None]) -> Estimate:
    """The mean of figures that have an interval within each trial, with one of the mean.

    It is the wider of two: what the trials' own intervals leave of it, and what the trials differ by (t). A
    trial without the figure leaves the whole without it.
    """
    known = [trial for trial in trials if trial is not None]
    if not known or len(known) < len(trials):
        return Estimate(None, None, None, len(trials), None)
    values = tuple(trial.value for trial in known)
    middle, count = math.fsum(values) / len(values), len(values)
    between = 0.0
    if count > 1:
        between = float(
            scipy.special.stdtrit(count - 1, 0.5 + _INTERVAL / 2) * np.std(values, ddof=1)
        ) / math.sqrt(count)
    below = math.hypot(*(trial.value - trial.low for trial in known)) / count
    if any(trial.high is None for trial in known):
        return Estimate(middle, None, None, count, None, values)
    above = math.hypot(*(trial.high - trial.value for trial in known if trial.high is not None)) / count
    return Estimate(
        middle, middle - max(below, between), middle + max(above, between), count, LONG_RUN, values
    )


def interval(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """What holds the middle 95 % of resampled figures: the percentile interval (Efron 1979)."""
    tail = (1 - _INTERVAL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)


def ratio(numerator: Estimate, denominator: Estimate) -> Estimate:
    """One figure over another, with the widest interval that theirs allow."""
    if numerator.value is None or not denominator.value:
        return NOTHING
    trials = min(numerator.trials, denominator.trials)
    value = numerator.value / denominator.value
    bounds = (numerator.low, numerator.high, denominator.low, denominator.high)
    low_n, high_n, low_d, high_d = (math.nan if b is None else b for b in bounds)
    low, high = low_n / high_d, high_n / low_d
    if math.isnan(low) or math.isnan(high):
        return Estimate(value, None, None, trials, None)
    return Estimate(value, low, high, trials, numerator.kind)
