"""Derive any stage's cost from the timed stages.

Profiling times the stages `[0, c)` and `[c, end)` of every cut c, and never a segment by itself: each run of
a stage has some overhead, so sums of tiny stages would be far too long. A stage in the middle follows
without a model of that overhead or of a cut's cost (operators no longer fused, layouts changed back):

    [a, b)  =  [0, b) + [a, end) - [0, end)

The first stage has the cut at b, the second the cut at a, each has one run's overhead, and the third
subtracts one overhead and everything outside a to b.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.experiment.topology import payload_bytes
from controller.profiling.profile import DeviceProfile
from exporter.bundle import Bundle

__all__ = ["Segment", "rising", "stage_memory_bytes", "stage_s", "segments"]

Floats = NDArray[np.float64]
_PARAMETER_BYTES = 4


@dataclass(frozen=True)
class Segment:
    """The nodes between two neighbouring cuts on one device, for one request of the profile's batch."""

    start: int
    stop: int
    label: str
    seconds: float
    multiply_adds: int
    parameters: int
    activation_bytes: int
    peak_bytes: int


def rising(values: Floats) -> Floats:
    """The rising sequence nearest to `values` by least squares: pool adjacent violators.

    Ayer, Brunk, Ewing, Reid, Silverman: An empirical distribution function for sampling with incomplete
    information, Annals of Mathematical Statistics 26(4), 1955.
    """
    levels: list[list[float]] = []
    for value in values.tolist():
        levels.append([value, 1])
        while len(levels) > 1 and levels[-2][0] > levels[-1][0]:
            mean, count = levels.pop()
            before = levels[-1]
            before[0] = (before[0] * before[1] + mean * count) / (before[1] + count)
            before[1] += count
    return np.repeat([level[0] for level in levels], [int(level[1]) for level in levels])


def stage_s(device: DeviceProfile) -> Floats:
    """Compute seconds (K, K) of the stage `[cuts[i], cuts[j])`; 0 on and below the diagonal."""
    prefix, suffix = _smoothed(device)
    whole = prefix[-1]
    seconds = prefix[None, :] + suffix[:, None] - whole
    # A cut's cost is not negative: a stage takes at least the time of its nodes within the whole model.
    inside = _inside(prefix, suffix)
    seconds = np.maximum(seconds, inside[None, :] - inside[:, None])
    seconds[0, :] = prefix
    seconds[:, -1] = suffix
    return np.triu(seconds, 1)


def _smoothed(device: DeviceProfile) -> tuple[Floats, Floats]:
    """Remove noise: more nodes take more time."""
    prefix, suffix = np.array(device.prefix_s), np.array(device.suffix_s)
    # The last prefix and the first suffix are the whole model, timed once for each.
    prefix[-1] = suffix[0] = (prefix[-1] + suffix[0]) / 2
    prefix[1:] = rising(prefix[1:])
    suffix[:-1] = rising(suffix[-2::-1])[::-1]
    prefix[-1] = suffix[0] = max(prefix[-1], suffix[0])
    return prefix, suffix


def _inside(prefix: Floats, suffix: Floats) -> Floats:
    """Seconds up to each cut within a run of the whole model."""
    whole = prefix[-1]
    middle = (prefix + whole - suffix) / 2
    middle[0], middle[-1] = 0.0, whole
    return np.clip(rising(middle), 0.0, whole)


def segments(bundle: Bundle, cuts: tuple[int, ...], device: DeviceProfile, batch: int) -> list[Segment]:
    """Every segment's cost on a device; the seconds add up to the whole model's."""
    prefix, suffix = _smoothed(device)
    seconds = np.diff(_inside(prefix, suffix))
    rows = []
    for start, stop, took_s in zip(cuts[:-1], cuts[1:], seconds.tolist(), strict=True):
        nodes = bundle.manifest.nodes[start:stop]
        parameters = sum(node.parameters for node in nodes)
        peak = _peak_activation_bytes(bundle, start, stop, batch)
        rows.append(
            Segment(
                start=start,
                stop=stop,
                label=bundle.label(stop),
                seconds=took_s,
                multiply_adds=sum(node.multiply_adds for node in nodes) * batch,
                parameters=parameters,
                activation_bytes=payload_bytes(bundle.tensors_at(stop), batch),
                peak_bytes=peak + parameters * _PARAMETER_BYTES,
            )
        )
    return rows


def stage_memory_bytes(bundle: Bundle, cuts: tuple[int, ...], batch: int) -> Floats:
    """Bytes (K, K) of each stage's parameters and peak activations."""
    parameters = np.concatenate([[0], np.cumsum([node.parameters for node in bundle.manifest.nodes])])
    at = np.array(cuts)
    weights = (parameters[at][None, :] - parameters[at][:, None]) * float(_PARAMETER_BYTES)
    between = [
        _peak_activation_bytes(bundle, start, stop, batch)
        for start, stop in zip(cuts[:-1], cuts[1:], strict=True)
    ]
    peaks = np.zeros((len(cuts), len(cuts)))
    for i in range(len(cuts) - 1):
        peaks[i, i + 1 :] = np.maximum.accumulate(between[i:])
    return np.triu(weights + peaks, 1)


def _peak_activation_bytes(bundle: Bundle, start: int, stop: int, batch: int) -> int:
    """Most bytes alive while one of these nodes runs: the tensors that cross before and after it."""
    most = 0
    for index in range(start, stop):
        alive = {t.name: t for t in (*bundle.tensors_at(index), *bundle.tensors_at(index + 1))}
        most = max(most, payload_bytes(alive.values(), batch))
    return most
