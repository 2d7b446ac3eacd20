"""The figure of how busy each stage was, by split: where the pipeline has its bubbles."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.data.sweep import CellResult
from analysis.figures.base import (
    chart,
    colour_and_shape,
    distinct_names,
    named_rows,
    of_cell,
    points_with_intervals,
    specification,
)
from analysis.figures.labels import width_beside
from analysis.figures.theme import PAPER, Layout, looks

__all__ = ["busy_figure"]


def busy_figure(
    deepest: Sequence[CellResult], results: Sequence[CellResult], devices: Sequence[str], layout: Layout
) -> dict[str, Any]:
    """The Vega-Lite specification: a row a split, a point a stage whose share is known, its interval.

    Args:
        deepest: The deepest cell of each split: what is shown at first.
        results: The cells in a closed loop. Those of the same splits at other depths are shown where the page
            is narrowed to their depth.
        devices: Of the lab, in its order.
    """
    drawn = looks([device for r in deepest for device in r.split.computing], devices)
    names = distinct_names(deepest)
    named = {r.cell.split_id: name for r, name in zip(deepest, names, strict=True)}
    at_first = {r.cell.id for r in deepest}
    # Paper has no menus.
    others = results if layout is not PAPER else ()
    shallower = [r for r in others if r.trials and r.cell.split_id in named and r.cell.id not in at_first]
    rows: list[dict[str, Any]] = []
    for r in (*deepest, *shallower):
        for stage, share in r.by_stage("busy").items():
            value = share.value
            rows.append(
                {
                    **of_cell(r.cell),
                    "depth_all": r.cell.id in at_first,
                    "split": named[r.cell.split_id],
                    "stage": stage,
                    "device": stage.partition(" (")[0],
                    "busy": value,
                    "low": value if share.low is None else share.low,
                    "high": value if share.high is None else share.high,
                    "bottleneck": ", ".join(r.bottlenecks) or "unknown",
                }
            )
    scale = alt.Scale(domain=[0, max([1.0, *(r["high"] for r in rows if r["high"] is not None)])], nice=False)
    axis = {
        "title": "busy share of the stage",
        "scale": scale,
        "axis": alt.Axis(format=".0%", tickCount=5),
    }
    layers = points_with_intervals(
        chart(rows).encode(y=named_rows("split", names, layout)),
        "busy",
        axis,
        colour_and_shape("device", drawn),
        [
            alt.Tooltip("split:N"),
            alt.Tooltip("stage:N"),
            alt.Tooltip("busy:Q", format=".1%"),
            alt.Tooltip("depth:Q"),
            alt.Tooltip("bottleneck:N"),
        ],
        strokes=(layout.font / 14, layout.font / 8),
        size=layout.marker * 0.7,
    )
    return specification(
        layers,
        width=width_beside(names, layout.width, layout.font),
        height=layout.row * max(len(names), 3),
        description="busy share of each stage",
    )
