"""The figure of throughput by number of devices: what each further one brings."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.figures.base import chart, colour_and_shape, hints, log_axis, of_cell, specification
from analysis.figures.theme import INK, PAPER, Layout, colours, shapes
from analysis.fronts.fronts import Point, best_by_devices

__all__ = ["scaling_figure"]


def _best_by_codec(points: Sequence[Point]) -> list[tuple[int, Point, bool]]:
    """For each codec the best by number of devices, and whether it is the best of all codecs."""
    overall = best_by_devices(points)
    return [
        (count, p, overall[count] is p)
        for codec in dict.fromkeys(p.cell.codec for p in points)
        for count, p in best_by_devices([p for p in points if p.cell.codec == codec]).items()
    ]


def scaling_figure(networks: Sequence[tuple[str, Sequence[Point]]], layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification: a line a network, each point the best split of so many devices.

    Args:
        networks: Network, and its points.
    """
    rows: list[dict[str, Any]] = [
        {
            **of_cell(p.cell),
            "network": network,
            "codec_all": over_all,
            # The best is sought among all depths, as a capability is.
            "depth": "",
            "devices": count,
            "throughput": p.throughput.value,
            "text": f"{p.throughput.value:.4g}",
            "low": p.throughput.low or p.throughput.value,
            "high": p.throughput.high or p.throughput.value,
            "where": p.split.where,
            "on": " \N{RIGHTWARDS ARROW} ".join(p.split.computing),
        }
        for network, points in networks
        for count, p, over_all in _best_by_codec(points)
        # Paper has no menus.
        if over_all or layout is not PAPER
    ]
    names = [network for network, _ in networks]
    counts = sorted({row["devices"] for row in rows})
    looks = dict(zip(names, zip(colours(len(names)), shapes(len(names)), strict=True), strict=True))
    colour, shape = colour_and_shape("network", looks)
    bounds = min(row["low"] for row in rows) / 1.25, max(row["high"] for row in rows) * 1.25
    up = log_axis(*bounds, "throughput (samples/s, log scale)")
    x = alt.X("devices:O", title="devices that compute", sort=counts, axis=alt.Axis(labelAngle=0))
    shown = {"network": "network", "where": "best split", "on": "on", "text": "samples/s"}
    base = chart(rows).encode(x=x)
    layers = [
        base.mark_line(strokeWidth=layout.font / 8, opacity=0.6).encode(
            y=alt.Y("throughput:Q", **up), color=colour
        ),
        base.mark_rule(color=INK, strokeWidth=layout.font / 11).encode(
            y=alt.Y("low:Q", **up), y2=alt.Y2("high")
        ),
        base.mark_point(filled=True, opacity=1, size=layout.marker).encode(
            y=alt.Y("throughput:Q", **up),
            color=colour,
            shape=shape,
            tooltip=hints(shown),
        ),
    ]
    return specification(
        layers,
        width=layout.width * 0.6,
        height=layout.height * 0.6,
        description="throughput by number of devices",
    )
