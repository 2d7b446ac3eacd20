"""The figure of how busy each stage was, by split: where the pipeline has its bubbles."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import altair as alt

from analysis.data.sweep import OFFLINE, CellResult
from analysis.figures.base import chart, of_cell
from analysis.figures.labels import width_beside
from analysis.figures.names import distinct_names
from analysis.figures.theme import INK, PAPER, Layout, looks

__all__ = ["busy_cells", "busy_figure"]


def busy_cells(results: Sequence[CellResult]) -> list[CellResult]:
    """The deepest finished cell of each split, in a closed loop: there a stage could be busy all the time."""
    deepest: dict[str, CellResult] = {}
    for r in results:
        key = _split(r)
        if not r.trials or r.cell.load != OFFLINE or r.cell.depth == 1:
            continue
        if key not in deepest or r.cell.depth > deepest[key].cell.depth:
            deepest[key] = r
    return sorted(deepest.values(), key=lambda r: (r.cell.devices, r.cell.cuts, r.cell.batch, r.cell.codec))


def _split(result: CellResult) -> str:
    return replace(result.cell, depth=0).id


def busy_figure(
    found: Sequence[CellResult], results: Sequence[CellResult], devices: Sequence[str], layout: Layout
) -> dict[str, Any]:
    """The Vega-Lite specification: a row a split, a point a stage, its interval over trials.

    Args:
        found: The deepest cell of each split, as `busy_cells` gives them: what is shown at first.
        results: Where the same splits' cells of other depths are, for a page that is narrowed to one.
        devices: Of the lab, in its order.
    """
    drawn = looks([device for r in found for device in r.split.computing], devices)
    names = distinct_names(found)
    named = {_split(r): name for r, name in zip(found, names, strict=True)}
    # Paper has no menus.
    others = results if layout is not PAPER else ()
    shallower = [r for r in others if r.trials and _split(r) in named and r not in found]
    rows: list[dict[str, Any]] = []
    for r in (*found, *shallower):
        for stage, share in r.busy().items():
            value = share.value or 0.0
            rows.append(
                {
                    **of_cell(r.cell),
                    "depth_all": r in found,
                    "split": named[_split(r)],
                    "stage": stage,
                    "device": stage.partition(" (")[0],
                    "busy": value,
                    "low": value if share.low is None else share.low,
                    "high": value if share.high is None else share.high,
                    "bottleneck": ", ".join(r.bottlenecks),
                }
            )
    y = alt.Y(
        "split:N", sort=names, title=None, axis=alt.Axis(labelLimit=int(layout.width * 0.6), ticks=False)
    )
    title = "busy share of the stage"
    scale = alt.Scale(domain=[0, max(1.0, *(r["high"] for r in rows))], nice=False)
    axis = alt.Axis(format=".0%", tickCount=5)
    x = alt.X("busy:Q", title=title, scale=scale, axis=axis)
    colour = alt.Color(
        "device:N",
        scale=alt.Scale(domain=list(drawn), range=[colour for colour, _ in drawn.values()]),
        legend=alt.Legend(title=None),
    )
    shape = alt.Shape(
        "device:N",
        scale=alt.Scale(domain=list(drawn), range=[shape for _, shape in drawn.values()]),
        legend=alt.Legend(title=None),
    )
    hints = [
        alt.Tooltip("split:N"),
        alt.Tooltip("stage:N"),
        alt.Tooltip("busy:Q", format=".1%"),
        alt.Tooltip("depth:Q"),
        alt.Tooltip("bottleneck:N"),
    ]
    base = chart(rows).encode(y=y)
    limit = chart([{"busy": 1}]).mark_rule(color=INK, strokeDash=[3, 3], strokeWidth=layout.font / 14)
    layers = [
        limit.encode(x=x),
        base.mark_rule(strokeWidth=layout.font / 8).encode(
            x=alt.X("low:Q", scale=scale, axis=axis, title=title), x2="high", color=colour
        ),
        base.mark_point(filled=True, opacity=1, size=layout.marker * 0.7).encode(
            x=x, color=colour, shape=shape, tooltip=hints
        ),
    ]
    spec = alt.layer(*layers).properties(
        width=width_beside(names, layout.width, layout.font),
        height=layout.row * max(len(names), 3),
        description="busy share of each stage",
    )
    return dict(spec.to_dict(validate=False))
