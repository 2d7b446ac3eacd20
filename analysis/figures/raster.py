"""Marks as an image: a thousand points of a vector file would weigh more than the rest of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.figures.base import chart
from analysis.figures.theme import PAPER, config

__all__ = ["rasterised"]


def rasterised(
    rows: Sequence[Mapping[str, Any]],
    mark: Mapping[str, Any],
    encoding: Mapping[str, Any],
    size: tuple[float, float],
) -> alt.Chart:
    """A layer that covers a plot with an image of it: its grid and the marks of `rows`, on white.

    The image is made when the figure is exported (`analysis.figures.export`); until then its specification
    stands in its place.

    Args:
        mark: Their mark, as in Vega-Lite.
        encoding: Their channels likewise; scales have a domain, that of the plot's own axes.
        size: Of the plot, in points.
    """
    width, height = size
    spec = {
        "data": {"values": list(rows)},
        "mark": dict(mark),
        "encoding": {name: _bare(channel) for name, channel in encoding.items()},
        "width": width,
        "height": height,
        "config": config(PAPER) | {"padding": 0},
    }
    image: alt.Chart = (
        chart([{"url": spec}])
        .mark_image(width=width, height=height, align="left", baseline="top", aspect=False)
        .encode(x=alt.value(0), y=alt.value(0), url=alt.Url("url:N"))
    )
    return image


def _bare(channel: Mapping[str, Any]) -> dict[str, Any]:
    """A channel with its grid alone: the plot has its axis or legend."""
    if "axis" not in channel:
        return {**channel, "legend": None}
    axis = {**(channel["axis"] or {}), "labels": False, "ticks": False, "domain": False}
    return {**channel, "axis": axis, "title": None}
