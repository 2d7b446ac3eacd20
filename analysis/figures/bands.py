"""The band about a front's line: from what every trial attained to what any one did."""

import itertools
from collections.abc import Sequence

import altair as alt

from analysis.figures.base import chart
from analysis.statistics.attainment import Surface

__all__ = ["band"]

_Steps = Sequence[tuple[float, float]]


def band(surfaces: Sequence[Surface], colour: str, corner: tuple[float, float]) -> alt.Chart | None:
    """The area between two attainment surfaces; None where there are none.

    Args:
        corner: The highest latency in ms and the lowest throughput that the figure shows.
    """
    levels = {s.level: [(latency * 1e3, rate) for latency, rate in s.steps] for s in surfaces}
    if not levels:
        return None
    right, bottom = corner
    edges = [*sorted({x for steps in levels.values() for x, _ in steps if x < right}), right]
    rows = [
        {"left": left, "right": end, "top": top, "low": max(_at(levels["every"], left, bottom), bottom)}
        for left, end in itertools.pairwise(edges)
        if (top := _at(levels["any"], left, bottom)) > bottom
    ]
    if not rows:
        return None
    area: alt.Chart = (
        chart(rows)
        .mark_rect(color=colour, opacity=0.13)
        .encode(x=alt.X("left:Q"), x2=alt.X2("right"), y=alt.Y("low:Q"), y2=alt.Y2("top"))
    )
    return area


def _at(steps: _Steps, latency: float, otherwise: float) -> float:
    """The throughput that is attained within this latency."""
    return max((rate for x, rate in steps if x <= latency), default=otherwise)
