"""How many of the splits that there are were measured: what an answer is the best of."""

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.data.sweep import OFFLINE, Sweep
from analysis.fronts.fronts import Point

__all__ = ["Coverage", "coverage"]


@dataclass(frozen=True)
class Coverage:
    """Splits of one bundle under one network.

    Attributes:
        measured: Those with both figures of the capability front.
        splits: All that the experiment asks about; None where the results file does not say.
    """

    measured: int
    splits: int | None

    @property
    def whole(self) -> bool:
        """Whether none was left out."""
        return self.splits is not None and self.measured >= self.splits


def coverage(sweep: Sweep, bundle: str, network: str, points: Sequence[Point]) -> Coverage:
    """How many of the splits that a sweep was asked about have a point on the capability front."""
    measured = sum(p.latency.value is not None and p.throughput.value is not None for p in points)
    scopes = [scope for scope in sweep.scopes if scope.network == network]
    if scopes and scopes[0].ended != "all measured":
        return Coverage(measured, scopes[0].splits.get(bundle))
    shallowest: dict[str, int] = {}
    for result in sweep.of(bundle, network):
        if result.cell.load == OFFLINE:
            split = result.all_depths
            shallowest[split] = min(result.cell.depth, shallowest.get(split, result.cell.depth))
    return Coverage(measured, sum(depth == 1 for depth in shallowest.values()))
