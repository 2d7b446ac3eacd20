"""The smallest depth at which a cell's throughput is flat: predicted, then confirmed by measurement."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NamedTuple, Self

from controller.experiment.load import OFFLINE
from controller.results import Cell, Trial
from controller.results.limits import link_share
from controller.results.metrics import FLAT, latency_s, occupied_share, throughput_per_s

__all__ = ["DEEPEST", "Probe", "find_depth", "predicted_depth", "saturating_depth", "unloaded"]

DEEPEST: Final = 64
"""The greatest depth that is looked for."""


class Probe(NamedTuple):
    """A short run of a pipeline at one depth.

    Attributes:
        rate_per_s: Requests a second.
        used: The share of the time in which its most used stage or link was in use, as far as is known.
    """

    rate_per_s: float
    used: float

    @classmethod
    def of(cls, trial: Trial) -> Self:
        """What a trial shows.

        A stage that has a request in hand all the time computes one after the other: with more of them in
        flight it is no faster, whatever else stretches its runs.
        """
        stages = [occupied_share(trial, rows) for rows in trial.records]
        shares = [share.least for share in map(link_share, trial.links) if share is not None]
        return cls(throughput_per_s(trial, 1), max([*stages, *shares], default=0.0))

    @property
    def is_used_up(self) -> bool:
        """Whether a stage or link is in use for all but 3 % of the time, which leaves no more to gain."""
        return self.used * (1 + FLAT) >= 1


def saturating_depth(latency_s: float, period_s: float) -> int:
    """The smallest depth that keeps the slowest part busy: a lone request's latency over that part's time."""
    if period_s <= 0:
        return DEEPEST
    # A request that just fits is no request more.
    return max(1, min(DEEPEST, math.ceil(latency_s / period_s - 0.01)))


def unloaded(cell: Cell) -> Cell:
    """The cell of the same split with one request at a time, from whose trial the depth is predicted."""
    return replace(cell, depth=1, role="", load=OFFLINE)


def predicted_depth(alone: Trial) -> int:
    """The smallest depth that keeps the slowest part busy, from a trial at depth 1."""
    return saturating_depth(latency_s(alone), _slowest_part_s(alone))


def _slowest_part_s(alone: Trial) -> float:
    """What a lone request takes of the slowest stage or link, of links as far as they account for it."""
    uses = [link.use for link in alone.links if link.use is not None]
    sending_s = [(use.busy_s - use.rwnd_limited_s) / use.frames - use.round_trip_s for use in uses]
    return max(*(float(rows["compute_s"].mean()) for rows in alone.records), *sending_s, 0.0)


def find_depth(
    predicted: int, alone: Probe, probe_at: Callable[[int], Probe]
) -> tuple[int, bool, dict[int, float]]:
    """Double the depth from the predicted one on, until a part is used up or that gains less than 3 %.

    Args:
        alone: The pipeline at depth 1.
        probe_at: Measures at another depth.

    Returns:
        The depth, whether throughput is flat there, and all rates measured. It is not flat at the greatest
        depth where twice as many requests still gain.
    """
    probes = {1: alone}

    def at(depth: int) -> Probe:
        if depth not in probes:
            probes[depth] = probe_at(depth)
        return probes[depth]

    depth = 1 if alone.is_used_up else predicted
    while True:
        is_flat = at(depth).is_used_up or at(2 * depth).rate_per_s < (1 + FLAT) * at(depth).rate_per_s
        if is_flat or depth == DEEPEST:
            break
        depth = min(2 * depth, DEEPEST)
    return depth, is_flat, {tried: probe.rate_per_s for tried, probe in probes.items()}
