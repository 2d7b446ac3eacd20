"""The figure of predicted against measured: points on the line were predicted right."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.data.predictions import PredictedCell
from analysis.figures.base import chart, log_axis, mapped, of_cell, specification
from analysis.figures.theme import INK, Layout, colours, shapes

__all__ = ["prediction_figure"]


def prediction_figure(cells: Sequence[PredictedCell], layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification: a point a cell, of one figure, both axes in ms."""
    rows: list[dict[str, Any]] = [
        {
            **_narrowing(c),
            "model": c.model,
            "network": c.network,
            "where": c.where,
            "measured": c.measured_s * 1e3,
            "predicted": c.predicted_s * 1e3,
            "off": c.predicted_s / c.measured_s - 1,
        }
        for c in cells
    ]
    values = [v for row in rows for v in (float(row["measured"]), float(row["predicted"]))]
    low, high = min(values) / 1.15, max(values) * 1.15
    # Two legends stand side by side: where room is scarce, each in one column.
    columns = 1 if layout.legend_columns < 3 else layout.legend_columns
    networks, models = (dict.fromkeys(str(row[name]) for row in rows) for name in ("network", "model"))
    x = alt.X("measured:Q", **log_axis(low, high, "measured (ms, log scale)"))
    up = log_axis(low, high, "predicted (ms, log scale)")
    y = alt.Y("predicted:Q", **up)
    corners = [{"measured": v, "predicted": v} for v in (low, high)]
    ends = [{"measured": v, "low": v * 0.8, "high": v * 1.2} for v in (low, high)]
    layers = [
        chart(ends)
        .mark_area(color="#8A9097", opacity=0.15, clip=True)
        .encode(x=x, y=alt.Y("low:Q", **up), y2=alt.Y2("high")),
        chart(corners).mark_line(color=INK, strokeWidth=layout.font / 14).encode(x=x, y=y),
        chart(rows)
        .mark_point(filled=True, opacity=0.75, size=layout.marker * 0.5)
        .encode(
            x=x,
            y=y,
            color=mapped(
                alt.Color,
                "network",
                dict(zip(networks, colours(len(networks)), strict=True)),
                columns=columns,
            ),
            shape=mapped(
                alt.Shape, "model", dict(zip(models, shapes(len(models)), strict=True)), columns=columns
            ),
            tooltip=[
                alt.Tooltip("model:N"),
                alt.Tooltip("network:N"),
                alt.Tooltip("where:N", title="cuts"),
                alt.Tooltip("measured:Q", title="measured, ms", format=".4~g"),
                alt.Tooltip("predicted:Q", title="predicted, ms", format=".4~g"),
                alt.Tooltip("off:Q", title="off by", format="+.1%"),
            ],
        ),
    ]
    side = min(layout.width, layout.height)
    return specification(layers, width=side, height=side, description="predicted against measured")


def _narrowing(predicted: PredictedCell) -> dict[str, Any]:
    """What the page's menus go by; they say nothing of a bench's cells, which are not the sweep's own."""
    if predicted.cell is None:
        return {"cell": "", "network": "", "depth": "", "codec": ""}
    # Latency is of depth 1 alone.
    depth = predicted.depth if predicted.depth > 1 else ""
    return of_cell(predicted.cell) | {"network": predicted.cell.network, "depth": depth}
