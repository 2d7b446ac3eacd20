"""Planted open loads: trials whose service times and arrivals are drawn, and their true long-run figures.

The queue is a loop over requests, written apart from the estimator's recursion.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from controller.statistics.highest_rate import RateModel
from controller.statistics.relaxation import requests_needed, warmup_needed
from controller.statistics.steady_state import OpenRun, steady_state
from controller.statistics.tandem import UNBOUNDED, Chain

__all__ = ["FAMILIES", "Family", "OpenTally", "main", "measure_open", "measure_search", "plant_run"]

Floats = NDArray[np.float64]
Rng = np.random.Generator

LATE = 0.01
"""A thread wakes this much late on average, which is no service."""

UTILISATIONS = (0.5, 0.8, 0.9, 1.1)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


@dataclass(frozen=True)
class Family:
    """Stations, each with a mean service time and a law; a request then takes `delay` more.

    Attributes:
        law: Service times of mean 1, given generator and shape; requests are the first axis.
        hidden: A share of each service time that is not measured.
    """

    law: Callable[[Rng, tuple[int, int]], Floats]
    stations: tuple[float, ...] = (1.0,)
    delay: float = 0.0
    depth: int = UNBOUNDED
    hidden: float = 0.0
    constant_arrivals: bool = False

    def services(self, rng: Rng, shape: tuple[int, int]) -> list[Floats]:
        return [mean * self.law(rng, shape) for mean in self.stations]


def _noisy(spread: float) -> Callable[[Rng, tuple[int, int]], Floats]:
    shape_of = 1 / spread**2
    return lambda rng, shape: rng.gamma(shape_of, 1 / shape_of, shape)


def _modes(rng: Rng, shape: tuple[int, int]) -> Floats:
    """One in ten takes twice as long."""
    drawn: Floats = np.where(rng.random(shape) < 0.1, 2.0, 1.0) / 1.1
    return drawn


def _lasting(rng: Rng, shape: tuple[int, int]) -> Floats:
    """Spread by 10 %, and alike for some 20 requests."""
    drawn = np.empty(shape)
    state = rng.normal(size=shape[1])
    for request in range(shape[0]):
        state = 0.95 * state + np.sqrt(1 - 0.95**2) * rng.normal(size=shape[1])
        drawn[request] = np.exp(0.1 * state - 0.005)
    return drawn


FAMILIES = {
    "constant": Family(_noisy(0.001)),
    "varies by 10 %": Family(_noisy(0.1)),
    "varies by 30 %": Family(_noisy(0.3)),
    "modes": Family(_modes),
    "exponential": Family(_noisy(1.0)),
    "two stages": Family(_noisy(0.1), (0.8, 1.0)),
    "equal stages": Family(_noisy(0.1), (1.0, 1.0)),
    "depth 4": Family(_noisy(0.1), (1.0, 0.7), delay=0.5, depth=4),
    "equal gaps": Family(_noisy(0.1), constant_arrivals=True),
    "lasting": Family(_lasting),
    "1 % hidden": Family(_noisy(0.1), hidden=0.01),
}
ASSUMED = tuple(name for name in FAMILIES if name not in ("lasting", "1 % hidden"))


def run_queue(due: Floats, services: list[Floats], delay: float, depth: int) -> Floats:
    """Latency of each request, [request, repetition]."""
    free = [np.zeros(due.shape[1]) for _ in services]
    finished = np.empty_like(due)
    for request in range(len(due)):
        ready = due[request]
        if request >= depth:
            ready = np.maximum(ready, finished[request - depth])
        for station, service in enumerate(services):
            ready = free[station] = np.maximum(ready, free[station]) + service[request]
        finished[request] = ready + delay
    return finished - due


def _gaps(family: Family, rng: Rng, shape: tuple[int, int]) -> Floats:
    return np.ones(shape) if family.constant_arrivals else rng.standard_exponential(shape)


@dataclass
class OpenTally:
    """What was said of planted trials.

    Attributes:
        held: Whether the interval of the mean held the truth.
        width: Half of it, over the estimate; infinite where it has no upper end.
        error: Of the estimate, relative; `plain` of the trial's own mean.
        overloaded: Whether the load was called too much.
        quantile_held: The same of each quantile that was given, and how many were.
    """

    requests: int
    held: list[bool] = field(default_factory=list)
    width: list[float] = field(default_factory=list)
    error: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    overloaded: list[bool] = field(default_factory=list)
    quantile_held: dict[str, list[bool]] = field(default_factory=lambda: {name: [] for name in QUANTILES})


def true_period(family: Family) -> float:
    """Mean time between results when one request always waits."""
    rng = np.random.default_rng(1)
    shape = (4_000, 200)
    latency = run_queue(np.zeros(shape), family.services(rng, shape), family.delay, family.depth)
    return float((latency[-1] - latency[1_000]).mean()) / 2_999


def true_figures(family: Family, rate: float, passes: int = 4) -> dict[str, float]:
    """The mean and the quantiles of latency in the long run, from many requests."""
    rng = np.random.default_rng(2)
    shape = (6_000, 2_000)
    figures: dict[str, list[float]] = {name: [] for name in ("mean", *QUANTILES)}
    for _ in range(passes):
        due = np.cumsum(_gaps(family, rng, shape), axis=0) / rate
        services = family.services(rng, shape)
        latency = run_queue(due, services, family.delay, family.depth)[2_000:]
        for name, value in zip(QUANTILES, np.quantile(latency, list(QUANTILES.values())), strict=True):
            figures[name].append(float(value))
        figures["mean"].append(float(latency.mean()) - _luck(family, rate, due, services))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _luck(family: Family, rate: float, due: Floats, services: list[Floats]) -> float:
    """How much longer than by Pollaczek and Khinchine's formula the slowest station alone took."""
    if family.law is _lasting or family.constant_arrivals:
        return 0.0
    slowest = max(services, key=np.mean)
    alone = run_queue(due, [slowest], 0.0, UNBOUNDED)[2_000:]
    mean, second = float(slowest.mean()), float((slowest**2).mean())
    return float(alone.mean()) - (mean + rate * second / (2 * (1 - rate * mean)))


def quantile_in_long_run(family: Family, rate: float, quantile: float) -> float:
    """One quantile of latency, from many requests."""
    return true_figures(family, rate)[next(name for name, q in QUANTILES.items() if q == quantile)]


def plant_run(family: Family, rate: float, trials: int, utilisation: float, rng: Rng) -> list[OpenRun]:
    """Trials of the default length for requests that take 50 ms or less of the slowest station."""
    warmup, requests = warmup_needed(utilisation, 1e9), requests_needed(utilisation, 1e9)
    shape = (warmup + requests, trials)
    due = np.cumsum(_gaps(family, rng, shape), axis=0) / rate
    services = family.services(rng, shape)
    latency = run_queue(due, services, family.delay, family.depth)
    latency += rng.exponential(LATE, shape)
    measured = np.stack(services, axis=2) * (1 - family.hidden)
    return [
        OpenRun(
            "constant" if family.constant_arrivals else "poisson",
            rate,
            due[:, trial],
            latency[:, trial],
            Chain(measured[:, trial], np.full(len(due), family.delay), family.depth),
            slice(warmup, None),
        )
        for trial in range(trials)
    ]


def measure_open(family: Family, utilisation: float, trials: int, seed: int) -> OpenTally:
    """Plant trials at a utilisation, and estimate their long-run figures."""
    rng = np.random.default_rng((seed, round(100 * utilisation)))
    rate = utilisation / true_period(family)
    truth = true_figures(family, rate) if utilisation < 1 else {}
    truth = {name: seconds + LATE for name, seconds in truth.items()}
    tally = OpenTally(requests_needed(utilisation, 1e9))
    while len(tally.overloaded) < trials:
        for run in plant_run(family, rate, min(50, trials - len(tally.overloaded)), utilisation, rng):
            steady = steady_state(run, QUANTILES, rng)
            tally.overloaded.append(steady.utilisation.value >= 1)
            mean = steady.latency_mean_s
            if mean is None:
                continue
            high = np.inf if mean.high is None else mean.high
            tally.held.append(mean.low <= truth["mean"] <= high)
            tally.width.append((high - mean.low) / 2 / mean.value)
            tally.error.append(mean.value / truth["mean"] - 1)
            tally.plain.append(float(run.latency_s[run.counted].mean()) / truth["mean"] - 1)
            for name, bounded in steady.quantiles_s.items():
                if bounded is not None and bounded.high is not None:
                    held = bounded.low <= truth[name] <= bounded.high
                    tally.quantile_held[name].append(held)
    return tally


def measure_search(
    family: Family, quantile: float, utilisation: float, trials: int, seed: int
) -> list[Floats]:
    """Search for the rate at which the quantile is what it truly is at a utilisation.

    Returns:
        Of each search: rate found, low, high, over the true rate.
    """
    rng = np.random.default_rng((seed, 7, round(100 * utilisation)))
    true_rate = utilisation / true_period(family)
    bound = quantile_in_long_run(family, true_rate, quantile) + LATE
    found = []
    for _ in range(trials):
        (run,) = plant_run(family, true_rate * rng.uniform(0.95, 1.05), 1, 0.0, rng)
        for _ in range(2):
            rate = RateModel.of(run, quantile).highest_rate(bound, rng)
            if rate is None:
                break
            (run,) = plant_run(family, rate.value, 1, 0.0, rng)
        if rate is not None and rate.high is not None:
            found.append(np.array([rate.value, rate.low, rate.high]) / true_rate)
    return found


def main(trials: int, names: Sequence[str], seed: int) -> None:
    """Print a line for each family and utilisation; a star marks what the estimator does not assume."""
    print(
        "family            load requests  called too much  mean held  half width (95 %)  error, plain   ",
        end="",
    )
    print("  ".join(f"{name} given, held" for name in QUANTILES))
    for name in names:
        family = FAMILIES[name]
        title = name if name in ASSUMED else f"{name} *"
        for utilisation in UTILISATIONS:
            tally = measure_open(family, utilisation, trials, seed)
            print(f"{title:17} {utilisation:4} {tally.requests:8}  {_percent(tally.overloaded):>15}", end="")
            if tally.held:
                wide = np.quantile(tally.width, [0.5, 0.95])
                error, plain = (np.sqrt(np.mean(np.square(e))) for e in (tally.error, tally.plain))
                print(f"  {_percent(tally.held):>9}  {100 * wide[0]:6.1f} ({100 * wide[1]:4.1f} %)", end="")
                print(f"  {100 * error:6.1f} {100 * plain:5.1f} %", end="  ")
                quantiles = tally.quantile_held.values()
                print("  ".join(f"{100 * len(h) / trials:7.0f} {_percent(h)}" for h in quantiles), end="")
            print(flush=True)
        rates = np.array(measure_search(family, 0.9, 0.8, max(1, trials // 10), seed))
        if len(rates):
            within = np.abs(rates[:, 0] - 1) <= 0.05
            held = (rates[:, 1] <= 1) & (rates[:, 2] >= 1)
            print(
                f"{title:17} rate of p90 at 0.8: {_percent(within)} within 5 %, {_percent(held)} held, ",
                end="",
            )
            print(f"{len(rates)} searches", flush=True)


def _percent(values: Sequence[bool] | NDArray[np.bool_]) -> str:
    return f"{100 * np.mean(values):5.1f} %" if len(values) else "      -"
