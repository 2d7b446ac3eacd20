"""Whether more requests in flight could raise a split's capacity: its best throughput over depths."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.data.sweep import CellResult
from analysis.statistics.estimates import estimate
from controller.results.metrics import FLAT

__all__ = ["Capacity", "capacity_of"]


@dataclass(frozen=True)
class Capacity:
    """What is known of the best throughput of a split.

    Attributes:
        limit: What the split cannot exceed, samples a second; infinite where nothing tells.
        is_bound: Throughput was still rising: the capacity is at least this.
    """

    limit: float
    is_bound: bool


def capacity_of(results: Sequence[CellResult], best: CellResult) -> Capacity:
    """The capacity that cells of one split show.

    It is no bound where throughput is flat: at a depth that the sweep found to be so; at a depth and one at
    least twice as deep, the deeper with less than 3 % more; or with a stage or link in use for over 1 / 1.03
    of the time, which leaves no more to gain.

    Args:
        best: The one of most throughput.
    """
    measured = [(r, r.throughput.value) for r in results if r.throughput.value]
    most = best.throughput.value or 0.0
    # Unknown where a stage's or link's share is.
    used = estimate([t.bottleneck_share for t in best.trials]).value or 0.0
    is_flat = used * (1 + FLAT) >= 1 or any(r.is_flat and rate * (1 + FLAT) > most for r, rate in measured)
    is_flat = is_flat or any(
        deeper.cell.depth >= 2 * shallow.cell.depth and more < (1 + FLAT) * rate
        for shallow, rate in measured
        if rate * (1 + FLAT) > most
        for deeper, more in measured
    )
    return Capacity(most / used if used > 0 else float("inf"), not is_flat)
