"""The figure of what devices did over time: processor, memory, clock, temperature, trial by trial."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.data.telemetry import SHOWN, Moment
from analysis.figures.base import chart, colour_and_shape, of_cell, specified
from analysis.figures.raster import rasterised
from analysis.figures.theme import PAPER, Layout, looks

__all__ = ["telemetry_figure"]

_MOST_VECTORS = 60
"""Points of a panel from which on paper has an image of them: each takes a kilobyte of a PDF."""


def telemetry_figure(
    moments: Sequence[Moment], titles: Mapping[str, str], devices: Sequence[str], layout: Layout
) -> dict[str, Any]:
    """The Vega-Lite specification: a panel for each figure that some device reported.

    Args:
        titles: Of each bundle's model.
        devices: Of the lab, in its order.
    """
    colour, shape = colour_and_shape("device", looks([m.device for m in moments], devices))
    names = [name for name, *_ in SHOWN.values() if any(m.name == name for m in moments)]
    panels = []
    for name in names:
        rows = [
            {
                **of_cell(m.cell),
                "model": titles[m.cell.bundle],
                "network": m.cell.network,
                "minutes": m.minutes,
                "device": m.device,
                "value": m.value,
            }
            for m in moments
            if m.name == name
        ]
        panels.append(_panel(rows, name, colour, shape, layout, last=name == names[-1]))
    spec = alt.vconcat(*panels, spacing=layout.font).resolve_scale(color="shared", shape="shared")
    return specified(spec)


def _panel(
    rows: Sequence[dict[str, Any]],
    name: str,
    colour: alt.Color,
    shape: alt.Shape,
    layout: Layout,
    *,
    last: bool,
) -> alt.LayerChart | alt.FacetChart:
    x = alt.X(
        "minutes:Q",
        title="minutes since the first trial" if last else None,
        scale=alt.Scale(domain=_domain([row["minutes"] for row in rows]), nice=False),
        axis=alt.Axis(labels=last, ticks=last),
    )
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(domain=_domain([row["value"] for row in rows]), nice=False),
        axis=alt.Axis(tickCount=3),
    )
    mark: dict[str, Any] = {"filled": True, "opacity": 0.6, "size": layout.marker * 0.2}
    width, height = layout.width * 0.9, layout.height * 0.18
    hints = [alt.Tooltip("device:N"), alt.Tooltip("value:Q", title=name, format=".4~g")]
    as_image = layout is PAPER and len(rows) > _MOST_VECTORS
    # Below an image, which covers it, a point for each device keeps the axes and the legend.
    shown = list({row["device"]: row for row in rows}.values()) if as_image else rows
    points = chart(shown).mark_point(**mark)
    layers = [points.encode(x=x, y=y, color=colour, shape=shape, tooltip=hints)]
    if as_image:
        encoding = {"x": x, "y": y, "color": colour, "shape": shape}
        channels = {channel: each.to_dict() for channel, each in encoding.items()}
        layers.append(rasterised(rows, {"type": "point", **mark}, channels, (width, height)))
    title = alt.TitleParams(name, anchor="start", fontSize=layout.font, fontWeight="normal")
    return alt.layer(*layers, width=width, height=height, title=title)


def _domain(values: Sequence[float]) -> list[float]:
    """Around the values, so that no point is cut, nor an axis so narrow that its ticks show one number."""
    low, high = min(values), max(values)
    room = max(high - low, abs(high) * 0.01, 1e-6) * 0.06
    return [low - room, high + room]
