"""The best split for each number of devices."""

from collections.abc import Sequence

from analysis.fronts.fronts import Point

__all__ = [
    "best_by_devices",
]


def best_by_devices(points: Sequence[Point]) -> dict[int, Point]:
    """The capability of most throughput for each number of devices that compute."""
    best: dict[int, Point] = {}
    for p in points:
        count = len(set(p.split.computing))
        if p.throughput.value is not None and (
            count not in best or p.throughput.value > (best[count].throughput.value or 0.0)
        ):
            best[count] = p
    return dict(sorted(best.items()))
