"""An open load's long-run figures, from one trial.

The mean latency of a trial depends on how its arrivals happened to bunch: at 90 % of what a pipeline can do,
plain averaging wants some 100,000 requests for 5 %. But the arrivals are known, and so is what each request
took of each station. So the recursion of `controller.statistics.tandem` over the trial's own arrivals says
how much of its latency was luck, and the same recursion over many drawn arrivals what there is in the long
run: a control variate whose expectation is simulated.

    mean = measured mean - beta x (recursion's mean on the trial's arrivals - its expectation)

What is left of a latency without beta x recursion is nearly independent from request to request. The
expectation is that of the service times as measured. How uncertain these are is resampled, in stretches of
consecutive requests: at a utilisation of 0.9, 1 % of them is 10 % of the wait.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Literal, Self

import numpy as np
import scipy
from numpy.typing import NDArray

from controller.statistics.tandem import UNBOUNDED, Chain, finish_times

__all__ = [
    "Arrivals",
    "Bounded",
    "OpenRun",
    "Resampled",
    "Steady",
    "arrivals_at_1",
    "period_s",
    "steady_state",
]

Floats = NDArray[np.float64]
Arrivals = Literal["constant", "poisson"]

WIDEST: Final = 0.25
"""A quantile whose 95 % interval is wider than this share of it is null."""

_LEAST_REQUESTS: Final = 60
_STRETCHES: Final = 30
_LONG_STRETCHES: Final = 12
"""So many where neighbouring ones of `_STRETCHES` are alike: each is to be longer than what lasts."""
_ALIKE: Final = 0.4
"""A correlation that independent requests exceed in one trial of a hundred."""
_TAIL: Final = 0.025
_REPETITIONS: Final = 240
_MOST_SIMULATED: Final = 5_000
_SIMULATED: Final = 1_000_000


@dataclass(frozen=True)
class Bounded:
    """A figure and its 95 % interval; None as the upper end where it may be infinite."""

    value: float
    low: float
    high: float | None


@dataclass(frozen=True)
class Steady:
    """What an open load would show in the long run.

    Attributes:
        utilisation: Offered rate over the highest that the pipeline could take; a queue grows from 1 on.
        latency_mean_s: None with too few requests, and where the pipeline is overloaded.
        quantiles_s: Of latency, by name: None where the interval is too wide.
    """

    utilisation: Bounded
    latency_mean_s: Bounded | None = None
    quantiles_s: Mapping[str, Bounded | None] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenRun:
    """One trial under an open load, from its first request on.

    Attributes:
        due_s: [request]
        latency_s: [request]
        chain: What the same requests took.
        counted: Those after the warm-up.
    """

    arrivals: Arrivals
    rate_per_s: float
    due_s: Floats
    latency_s: Floats
    chain: Chain
    counted: slice

    def recursion_s(self) -> Floats:
        """The latency that the recursion has for each request that counts."""
        chain = self.chain
        services = [column[:, None] for column in chain.services_s.T]
        finished_s = finish_times(self.due_s[:, None], services, chain.delays_s[:, None], chain.depth)
        return (finished_s[:, 0] - self.due_s)[self.counted]


class Resampled:
    """A chain drawn again: each group of repetitions has stretches of its own of the trial to draw from.

    A repetition takes a stretch's requests in their order, since slow ones may come together.

    Attributes:
        means_s: [group, station], mean service time of its stretches.
    """

    def __init__(
        self, chain: Chain, requests: int, groups: int, rng: np.random.Generator, *, in_group: int = 1
    ) -> None:
        services_s = chain.services_s
        length = _stretch_length(services_s)
        count = len(services_s) // length
        stretches = rng.integers(count, size=(count, groups))
        used = services_s[: count * length].reshape(count, length, -1)
        self._powers = [np.mean(used**power, axis=1)[stretches].mean(axis=0) for power in (1, 2)]
        self.means_s: Floats = self._powers[0]
        drawn = rng.integers(count, size=(-(-requests // length), groups * in_group))
        starts = stretches[drawn, np.repeat(np.arange(groups), in_group)] * length
        rows = (starts[:, None] + np.arange(length)[:, None]).reshape(-1, groups * in_group)[:requests]
        self.services_s = [column[rows] for column in services_s.T]
        self.delays_s: Floats = chain.delays_s[rows]
        self.depth = chain.depth
        self._rng = rng
        # The spread of stretches underestimates, the more the fewer they are.
        self.widening = float(
            scipy.special.stdtrit(count - 1, 1 - _TAIL) / 1.96 * np.sqrt(count / (count - 1))
        )

    def latencies_s(self, due_s: Floats) -> Floats:
        """Latency of each request that is due at these times."""
        return finish_times(due_s, self.services_s, self.delays_s, self.depth) - due_s

    def alone_s(self, due_s: Floats, station: int, factor: float) -> Floats:
        """The same with one station alone, `factor` times as slow, and its service times in any order."""
        service_s = self._rng.permuted(self.services_s[station], axis=0) * factor
        return finish_times(due_s, [service_s], np.zeros_like(due_s), UNBOUNDED) - due_s

    def expected_alone_s(self, rate_per_s: float, station: int, factor: float) -> Floats:
        """[group], what that is in the long run under Poisson arrivals; infinite under overload.

        Pollaczek and Khinchine's formula.
        """
        first, second = (powers[:, station] * factor**p for p, powers in enumerate(self._powers, start=1))
        left = 1 - rate_per_s * first
        with np.errstate(divide="ignore"):
            return np.where(left > 0, first + rate_per_s * second / (2 * np.maximum(left, 0)), np.inf)


def _stretch_length(services_s: Floats) -> int:
    """How many consecutive requests are drawn together."""
    slowest_s = services_s[:, services_s.mean(axis=0).argmax()]
    length = max(1, len(slowest_s) // _STRETCHES)
    means_s = slowest_s[: len(slowest_s) // length * length].reshape(-1, length).mean(axis=1)
    away_s = means_s - means_s.mean()
    if np.sum(away_s[1:] * away_s[:-1]) <= _ALIKE * np.sum(away_s**2):
        return length
    return max(1, len(slowest_s) // _LONG_STRETCHES)


def period_s(chain: Chain, rng: np.random.Generator, repetitions: int = 64, requests: int = 1000) -> float:
    """Mean seconds between two requests when one always waits: no rate above its inverse can be kept up.

    F. Baccelli and S. Foss, "On the saturation rule for the stability of queues", Journal of Applied
    Probability 32, 1995.
    """
    slowest_s = float(chain.services_s.mean(axis=0).max())
    if chain.depth >= UNBOUNDED:
        return slowest_s
    rows = rng.integers(len(chain.services_s), size=(requests, repetitions))
    services = [column[rows] for column in chain.services_s.T]
    finished_s = finish_times(np.zeros(rows.shape), services, chain.delays_s[rows], chain.depth)
    half = requests // 2
    return max(slowest_s, float((finished_s[-1] - finished_s[half - 1]).mean()) / (requests - half))


def steady_state(run: OpenRun, quantiles: Mapping[str, float], rng: np.random.Generator) -> Steady:
    """The long-run figures of a trial's load.

    Args:
        quantiles: Those of latency that the trial has requests enough for, by name.
    """
    chain = run.chain.part(run.counted)
    requests = len(chain.services_s)
    # Repetitions are as long as the trial; what they tell of a longer one is the same.
    warmup, counted = min(run.counted.start, _MOST_SIMULATED), min(requests, _MOST_SIMULATED)
    repetitions = max(_REPETITIONS, _SIMULATED // (warmup + counted))
    drawn = Resampled(chain, warmup + counted, repetitions, rng)
    station = int(chain.services_s.mean(axis=0).argmax())
    factor = period_s(chain, rng) / float(chain.services_s[:, station].mean())
    utilisation = _utilisation(run.rate_per_s * factor, chain, drawn)
    if requests < _LEAST_REQUESTS or utilisation.value >= 1:
        return Steady(utilisation)
    due_s = arrivals_at_1(run.arrivals, drawn.delays_s.shape, rng) / run.rate_per_s
    latency_s = drawn.latencies_s(due_s)[warmup:]
    simulated = _Simulated.of(run, drawn, due_s, latency_s, station, factor)
    controlled = _Controlled(run, simulated.mean.value)
    levels = list(quantiles.values())
    figures = zip(np.quantile(latency_s, levels, axis=0), np.quantile(latency_s, levels), strict=True)
    bounded = {
        name: controlled.bounded(partial(np.quantile, q=q), simulated.quantile(*figure))
        for (name, q), figure in zip(quantiles.items(), figures, strict=True)
    }
    return Steady(
        utilisation,
        controlled.bounded(np.mean, simulated.mean),
        {name: _unless_wide(one) for name, one in bounded.items()},
    )


def arrivals_at_1(arrivals: Arrivals, shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Times at which requests are due, at a rate of 1."""
    if arrivals == "constant":
        return np.broadcast_to(np.arange(shape[0], dtype=np.float64)[:, None], shape)
    return np.cumsum(rng.standard_exponential(shape), axis=0)


def _utilisation(rate_per_s: float, chain: Chain, drawn: Resampled) -> Bounded:
    ends = np.quantile(rate_per_s * drawn.means_s.max(axis=1), [_TAIL, 1 - _TAIL])
    return _widened(rate_per_s * float(chain.services_s.mean(axis=0).max()), ends, drawn.widening)


def _expected(rate_per_s: float, services_s: Floats) -> float:
    mean_s = float(services_s.mean())
    return mean_s + rate_per_s * float(np.mean(services_s**2)) / (2 * (1 - rate_per_s * mean_s))


@dataclass(frozen=True)
class _Simulated:
    """What repetitions say of the long run.

    One station alone shows most of a repetition's luck, and has a formula: `luck_s` is how much longer than
    in the long run its requests took, by repetition. Under equal gaps there is no luck but that of services.

    Attributes:
        mean: Of latency.
        least_s: A request's latency without waits, on average.
    """

    mean: Bounded
    least_s: float
    luck_s: Floats

    @classmethod
    def of(
        cls, run: OpenRun, drawn: Resampled, due_s: Floats, latency_s: Floats, station: int, factor: float
    ) -> Self:
        chain = run.chain.part(run.counted)
        least_s = float(chain.least_s.mean())
        of_each_s, of_all_s = latency_s.mean(axis=0), float(latency_s.mean())
        if run.arrivals == "constant":
            ends_s = np.quantile(of_each_s, [_TAIL, 1 - _TAIL])
            return cls(_widened(of_all_s, ends_s, drawn.widening), least_s, np.zeros_like(of_each_s))
        alone_s = drawn.expected_alone_s(run.rate_per_s, station, factor)
        known_s = _expected(run.rate_per_s, chain.services_s[:, station] * factor)
        luck_s = drawn.alone_s(due_s, station, factor)[-len(latency_s) :].mean(axis=0) - alone_s
        finite = np.isfinite(alone_s)
        x = np.stack([luck_s, alone_s - known_s, np.ones_like(luck_s)], axis=1)[finite]
        (luck, shift, value_s), *_ = np.linalg.lstsq(x, of_each_s[finite], rcond=None)
        ends_s = value_s + shift * (
            np.quantile(alone_s, [_TAIL, 1 - _TAIL], method="closest_observation") - known_s
        )
        return cls(_widened(float(value_s), ends_s, drawn.widening), least_s, luck_s)

    def quantile(self, of_each_s: Floats, of_all_s: float) -> Bounded:
        """A quantile of latency, from that of each repetition and that of all.

        Where service times are longer, waits grow in one proportion.
        """
        finite = np.isfinite(self.luck_s)
        luck_s, of_each_s = self.luck_s[finite], of_each_s[finite]
        slope = _slope(luck_s, of_each_s)
        value_s = of_all_s - slope * float(luck_s.mean())
        noise_s = 2 * float(np.std(of_each_s - slope * luck_s)) / float(np.sqrt(len(luck_s)))
        mean = self.mean
        share = max(value_s / mean.value, (value_s - self.least_s) / max(mean.value - self.least_s, 1e-12))
        below_s = np.hypot(share * (mean.value - mean.low), noise_s)
        if mean.high is None:
            return Bounded(value_s, value_s - below_s, None)
        return Bounded(
            value_s, value_s - below_s, value_s + np.hypot(share * (mean.high - mean.value), noise_s)
        )


def _widened(value: float, ends: Floats, widening: float) -> Bounded:
    high = value + widening * float(ends[1] - value)
    return Bounded(value, value - widening * (value - float(ends[0])), high if np.isfinite(high) else None)


class _Controlled:
    """The trial's own figures, with its luck taken out."""

    def __init__(self, run: OpenRun, expected_s: float) -> None:
        self._recursion_s, self._measured_s = run.recursion_s(), run.latency_s[run.counted]
        self._beta = 1.0
        # Where nothing waits, the recursion says nothing that a measured latency does not.
        if float(np.std(self._recursion_s)) > 0.01 * expected_s:
            self._beta = min(2.0, max(0.0, _slope(self._recursion_s, self._measured_s)))
        self._noise_s = _half_width(self._measured_s - self._beta * self._recursion_s)

    def bounded(self, figure: Callable[[Floats], Any], long_run: Bounded) -> Bounded:
        """A figure of latency, given what it is in the long run by the recursion."""
        measured_s, recursion_s = float(figure(self._measured_s)), float(figure(self._recursion_s))
        value_s = measured_s + self._beta * (long_run.value - recursion_s)
        below_s = np.hypot(self._beta * (long_run.value - long_run.low), self._noise_s)
        if long_run.high is None:
            return Bounded(value_s, float(value_s - below_s), None)
        above_s = np.hypot(self._beta * (long_run.high - long_run.value), self._noise_s)
        return Bounded(value_s, float(value_s - below_s), float(value_s + above_s))


def _unless_wide(figure: Bounded) -> Bounded | None:
    """None where nobody could use it."""
    wide = figure.high is None or figure.high - figure.low > WIDEST * figure.value
    return None if wide else figure


def _slope(x: Floats, y: Floats) -> float:
    variance = float(np.var(x))
    return float(np.mean((x - x.mean()) * (y - y.mean()))) / variance if variance > 0 else 0.0


def _half_width(values: Floats) -> float:
    """Half of a mean's 95 % interval, from means of stretches: neighbours may be alike."""
    length = max(1, len(values) // _STRETCHES)
    count = len(values) // length
    means = values[: count * length].reshape(count, length).mean(axis=1)
    return float(scipy.special.stdtrit(count - 1, 1 - _TAIL) * means.std(ddof=1) / np.sqrt(count))
