"""The figure of what devices did over time: processor, memory, clock, temperature, trial by trial."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.data.telemetry import SHOWN, Moment
from analysis.figures.base import chart, colour_and_shape, of_cell, specified
from analysis.figures.theme import Layout, looks

__all__ = ["telemetry_figure"]


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
        last = name == names[-1]
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
        panels.append(
            chart(rows)
            .mark_point(filled=True, opacity=0.6, size=layout.marker * 0.2)
            .encode(
                x=alt.X(
                    "minutes:Q",
                    title="minutes since the first trial" if last else None,
                    axis=alt.Axis(labels=last, ticks=last),
                ),
                y=alt.Y(
                    "value:Q",
                    title=None,
                    scale=alt.Scale(domain=_domain([float(row["value"]) for row in rows]), zero=False),
                    axis=alt.Axis(tickCount=3),
                ),
                color=colour,
                shape=shape,
                tooltip=[alt.Tooltip("device:N"), alt.Tooltip("value:Q", title=name, format=".4~g")],
            )
            .properties(
                width=layout.width * 0.9,
                height=layout.height * 0.18,
                title=alt.TitleParams(name, anchor="start", fontSize=layout.font, fontWeight="normal"),
            )
        )
    spec = alt.vconcat(*panels, spacing=layout.font).resolve_scale(color="shared", shape="shared")
    return specified(spec)


def _domain(values: Sequence[float]) -> list[float]:
    """Around the values, and not so narrow that an axis shows one number at each of its ticks."""
    low, high = min(values), max(values)
    room = max(high - low, abs(high) * 0.01, 1e-6) * 0.1
    return [low - room, high + room]
