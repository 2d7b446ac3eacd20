"""Measure messages' cost, and a stage's slowdown by waiting and load, in real pipelines over two devices.

The lab's first device runs a few cells with each other device, in both orders (for a quick device profile
only as the first of the two): at depth 1 with several delays (a stage that has waited longer has colder
caches and a slower clock), and at depth 4, where the slowest part always has work.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.experiment.networks import Network
from controller.experiment.topology import payload_bytes
from controller.profiling.profile import IdlePenalty, Load, PairProfile, Profile
from controller.profiling.segments import stage_s
from controller.profiling.short_runs import ProfilingContext, ShortRun, requests_in, rounds
from controller.results import Trial
from controller.results.metrics import latency_s, network_s, period_s

__all__ = [
    "Sample",
    "calibrate",
    "fit_line",
    "fit_load",
    "fit_messages",
    "fit_idle_penalty",
    "median_slope",
    "short_run_for",
]

_DELAYS_MS: Final = (0.2, 2.0, 10.0)
_DEEP: Final = 4
# After a rest a core needs tenths of a second to reach its full clock, and the first requests find cold
# caches.
_WARMUP_S: Final = {1: 0.05, _DEEP: 0.3}
_MOST_WARMUP: Final = 200
_VISIT_S: Final = 0.2
_FEWEST: Final = {1: 5, _DEEP: 8}
_MOST: Final = {1: 60, _DEEP: 200}
# A stage is the bottleneck where it takes this much longer than the other one.
_SLOWER: Final = 1.15


@dataclass(frozen=True)
class Sample:
    """The figures of one cell of two devices.

    Attributes:
        delays_s: The link's added delay, out and back; 0 on a link as it is.
        alone_s: The stage's time by device according to the device profile; absent without a stage.
        compute_s: The stage's average time by device in this cell.
        sent_bytes: Bytes over links, out and back.
        network_s: Median network share.
        period_s: Seconds between results.
    """

    source: str
    follower: str
    depth: int
    delay_ms: float
    delays_s: float
    alone_s: dict[str, float]
    compute_s: dict[str, float]
    sent_bytes: int
    latency_s: float
    network_s: float
    period_s: float


def calibrate(
    context: ProfilingContext, profile: Profile, step: Callable[[int, int], None], *, number: int
) -> Profile:
    """Add `pairs` and the devices' `idle_penalty` and loads to a device profile, from `number` rounds.

    Raises:
        TrialVoid: A device was lost, or computes wrong results.
    """
    names = list(profile.devices)
    pairs = [(names[0], other) for other in names[1:]]
    if not profile.quick:
        pairs += [(other, names[0]) for other in names[1:]]
    delays = _DELAYS_MS if profile.shaping == "emulated" else (0.0,)
    stages = {name: stage_s(device) for name, device in profile.devices.items()}
    short_runs = [
        short_run_for(profile, stages, pair, cut, depth, delay_ms)
        for pair in pairs
        for cut in chosen_cuts(context, profile, pair)
        for depth, delay_ms in [*product([1], delays), (_DEEP, delays[0])]
    ]
    results = rounds(context, short_runs, number, "messages", step)
    samples = [_sample(short_run, trials, profile, stages) for short_run, trials in results.items()]
    devices = {
        name: msgspec.structs.replace(
            device,
            idle_penalty=fit_idle_penalty(name, samples),
            as_source=fit_load([s for s in samples if s.source == name], name),
            as_follower=fit_load([s for s in samples if s.follower == name], name),
        )
        for name, device in profile.devices.items()
    }
    return msgspec.structs.replace(
        profile, devices=devices, pairs=tuple(fit_messages(samples, pair, profile) for pair in pairs)
    )


def chosen_cuts(context: ProfilingContext, profile: Profile, pair: tuple[str, str]) -> tuple[int, ...]:
    """Cuts at which one or the other device is slower, with small and large payloads, and both ends.

    Preferably clearly slower: `fit_load` uses only such cuts.
    """
    source_s, follower_s = (
        np.array(profile.devices[pair[0]].prefix_s),
        np.array(profile.devices[pair[1]].suffix_s),
    )
    inner = range(1, len(profile.cuts) - 1)
    sizes = {i: payload_bytes(context.bundle.tensors_at(profile.cuts[i]), profile.batch) for i in inner}
    chosen = {0, len(profile.cuts) - 1}
    for slower_s, other_s in ((follower_s, source_s), (source_s, follower_s)):
        side = [i for i in inner if slower_s[i] > _SLOWER * other_s[i]]
        side = side or [i for i in inner if slower_s[i] > other_s[i]]
        if side:
            chosen |= {min(side, key=lambda i: sizes[i]), max(side, key=lambda i: sizes[i])}
            chosen.add(side[len(side) // 2])
    return tuple(profile.cuts[i] for i in sorted(chosen))


def short_run_for(
    profile: Profile,
    stages: dict[str, NDArray[np.float64]],
    pair: tuple[str, str],
    cut: int,
    depth: int,
    delay_ms: float,
) -> ShortRun:
    """A run of a cell for about `_VISIT_S`; `stages` holds each device's stage times (`stage_s`)."""
    at = profile.cuts.index(cut)
    alone_s = [float(stages[pair[0]][0, at]), float(stages[pair[1]][at, -1])]
    round_s = sum(alone_s) + 2 * delay_ms / 1e3
    expected_s = round_s if depth == 1 else max(*alone_s, round_s / depth)
    return ShortRun(
        pair,
        cut,
        depth=depth,
        requests=requests_in(_VISIT_S, expected_s, fewest=_FEWEST[depth], most=_MOST[depth]),
        warmup=requests_in(_WARMUP_S[depth], expected_s, fewest=1, most=_MOST_WARMUP),
        conditions=Network(delay_ms=delay_ms),
    )


def _sample(
    short_run: ShortRun, trials: Sequence[Trial], profile: Profile, stages: dict[str, NDArray[np.float64]]
) -> Sample:
    position = {cut: i for i, cut in enumerate(profile.cuts)}
    hops = trials[0].hops
    crossing = [link.payload_bytes for link in trials[0].links if link.sender != link.receiver]
    return Sample(
        source=short_run.devices[0],
        follower=short_run.devices[1],
        depth=short_run.depth,
        delay_ms=short_run.conditions.delay_ms,
        delays_s=short_run.conditions.delay_ms / 1e3 * len(crossing),
        alone_s={
            hop.device: float(stages[hop.device][position[hop.start], position[hop.stop]]) for hop in hops
        },
        compute_s={
            hop.device: float(np.median([_typical(trial, i, short_run.depth) for trial in trials]))
            for i, hop in enumerate(hops)
        },
        sent_bytes=sum(crossing),
        latency_s=float(np.median([latency_s(trial) for trial in trials])),
        network_s=float(np.median([np.median(network_s(trial.endpoint, trial.records)) for trial in trials])),
        period_s=float(np.median([period_s(trial) for trial in trials])),
    )


def _typical(trial: Trial, hop: int, depth: int) -> float:
    """The median at depth 1, as for latency; the mean above it, as for throughput."""
    times_s = trial.records[hop]["compute_s"]
    return float(np.median(times_s) if depth == 1 else np.mean(times_s))


def fit_idle_penalty(device: str, samples: Sequence[Sample]) -> tuple[IdlePenalty, ...]:
    """A stage's slowdown after waiting, for each delay."""
    alone = [s for s in samples if s.depth == 1 and device in s.alone_s and s.sent_bytes]
    penalties = []
    for delay_ms in sorted({s.delay_ms for s in alone}):
        here = [s for s in alone if s.delay_ms == delay_ms]
        idle_s = float(np.median([s.latency_s - s.compute_s[device] for s in here]))
        factor = float(np.median([s.compute_s[device] / s.alone_s[device] for s in here]))
        penalties.append(IdlePenalty(idle_s=idle_s, factor=factor))
    return tuple(sorted(penalties, key=lambda penalty: penalty.idle_s))


def fit_load(samples: Sequence[Sample], device: str) -> Load:
    """A stage's speed when it always has work, from the cells in which this device is the slower one."""
    busy = [
        s
        for s in samples
        if s.depth > 1 and s.alone_s.get(device, 0.0) > _SLOWER * max(_others_s(s, device), default=0.0)
    ]
    if not busy:
        return Load()
    factor = float(np.median([s.compute_s[device] / s.alone_s[device] for s in busy]))
    rest_s = np.array([s.period_s - s.compute_s[device] for s in busy])
    sent = np.array([float(s.sent_bytes) for s in busy])
    fixed_s, byte_s = fit_line(sent, rest_s)
    return Load(factor=factor, fixed_s=fixed_s, byte_s=byte_s)


def _others_s(sample: Sample, device: str) -> list[float]:
    """Other possible bottlenecks: the other stage, and the round trip shared by all requests in flight."""
    others_s = [seconds for name, seconds in sample.alone_s.items() if name != device]
    return [*others_s, sample.delays_s / sample.depth]


def fit_messages(samples: Sequence[Sample], pair: tuple[str, str], profile: Profile) -> PairProfile:
    """A message's cost beyond delay and rate, by both devices' idle time."""
    here = [s for s in samples if (s.source, s.follower) == pair and s.depth == 1 and s.sent_bytes]
    links = {(link.sender, link.receiver): link for link in profile.links}
    idle_s, beyond, bytes_ = [], [], []
    groups = [[s for s in here if s.delay_ms == delay_ms] for delay_ms in sorted({s.delay_ms for s in here})]
    for group in groups:
        idle_s.append(float(np.median([s.latency_s for s in group])))
        carried = [s.delays_s for s in group]
        if profile.shaping != "emulated":
            # The delay and rate of a link as it is come from the probes.
            link = links[pair]
            carried = [link.round_trip_s + s.sent_bytes * 8 / (link.rate_mbit * 1e6) for s in group]
        beyond.append(np.array([s.network_s for s in group]) - np.array(carried))
        bytes_.append(np.array([float(s.sent_bytes) for s in group]))
    centred_x = np.concatenate([x - x.mean() for x in bytes_])
    centred_y = np.concatenate([y - y.mean() for y in beyond])
    byte_s = median_slope(centred_x, centred_y)
    # Two messages per request: out and back.
    fixed_s = [max(0.0, float(np.median(y - byte_s * x)) / 2) for x, y in zip(bytes_, beyond, strict=True)]
    return PairProfile(
        source=pair[0], follower=pair[1], idle_s=tuple(idle_s), fixed_s=tuple(fixed_s), byte_s=byte_s
    )


def fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """The intercept and slope of a line through most of the points, both at least 0."""
    slope = median_slope(x, y)
    return max(0.0, float(np.median(y - slope * x))), slope


def median_slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The median of the slopes between any two points, at least 0, which one bad cell does not bend.

    Sen: Estimates of the regression coefficient based on Kendall's tau, J. American Statistical
    Association 63(324), 1968.
    """
    apart = np.subtract.outer(x, x)
    slopes = np.subtract.outer(y, y)[apart > 0] / apart[apart > 0]
    return max(0.0, float(np.median(slopes))) if slopes.size else 0.0
