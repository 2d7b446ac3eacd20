"""The figure of what crosses a cut, by cut point."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import altair as alt
import numpy as np

from analysis.figures.base import chart, mapped, outlined, specification
from analysis.figures.labels import Scale, labelled
from analysis.figures.theme import INK, Layout

__all__ = ["payload_figure"]

_COLOURS = {"measured": "#0072B2", "clean, not measured": "#9CCBE8", "wide": "#D3D7DB"}


def payload_figure(
    manifest: Mapping[str, Any],
    input_bytes: int | None,
    measured: Collection[int],
    named: Mapping[int, str],
    layout: Layout,
) -> dict[str, Any]:
    """The Vega-Lite specification: kB a sample at every position of the graph.

    Args:
        input_bytes: What offloading sends, a sample; None where it was not measured.
        measured: The cut points that the sweep has cells of.
        named: Cut points to name in the figure.
    """
    rows = [_row(point, set(measured)) for point in manifest["cut_points"]]
    top = max([r["kb"] for r in rows] + [(input_bytes or 0) / 1e3]) * 1.12
    count = int(manifest["node_count"])
    x = alt.X(
        "left:Q", title="cut point (nodes before the cut)", scale=alt.Scale(domain=[0, count], nice=False)
    )
    y = alt.Y("kb:Q", title="crossing the cut (kB a sample)", scale=alt.Scale(domain=[0, top], nice=False))
    bars = (
        chart(rows)
        .mark_bar(stroke="white", strokeWidth=layout.width / count * 0.1)
        .encode(
            x=x,
            x2=alt.X2("right"),
            y=y,
            y2=alt.Y2("zero"),
            color=mapped(alt.Color, "status", _COLOURS),
            tooltip=[
                alt.Tooltip("index:Q", title="cut point"),
                alt.Tooltip("module:N", title="after"),
                alt.Tooltip("kb:Q", title="kB a sample", format=".4~g"),
                alt.Tooltip("tensors:N"),
                alt.Tooltip("status:N"),
                alt.Tooltip("macs:Q", title="multiply-adds before", format=".1%"),
                alt.Tooltip("params:Q", title="parameters before", format=".1%"),
            ],
        )
    )
    layers = [bars, *_input_line(input_bytes, layout), *_named(rows, named, (count, top), layout)]
    return specification(
        layers,
        width=layout.width,
        height=layout.height * 0.7,
        description="bytes that cross each cut point",
    )


def _row(point: Mapping[str, Any], measured: set[int]) -> dict[str, Any]:
    index = int(point["index"])
    wide = "wide" if not point["clean"] else "clean, not measured"
    return {
        "index": index,
        "left": index - 0.5,
        "right": index + 0.5,
        "zero": 0,
        "kb": point["bytes_per_sample"] / 1e3,
        "module": point["module"],
        "status": "measured" if index in measured else wide,
        "tensors": "; ".join(f"{t['name']} {'x'.join(map(str, t['shape']))}" for t in point["tensors"]),
        "macs": point["macs_before_share"],
        "params": point["params_before_share"],
    }


def _input_line(input_bytes: int | None, layout: Layout) -> list[alt.Chart]:
    if input_bytes is None:
        return []
    base = chart([{"kb": input_bytes / 1e3, "text": "raw input"}])
    line = base.mark_rule(color=INK, strokeDash=[4, 3], strokeWidth=layout.font / 11).encode(y=alt.Y("kb:Q"))
    text = base.mark_text(
        align="right", baseline="bottom", dx=-2, dy=-2, fontSize=layout.font, color=INK, x="width"
    ).encode(y=alt.Y("kb:Q"), text=alt.Text("text:N"))
    return [line, text]


def _named(
    rows: Sequence[Mapping[str, Any]],
    named: Mapping[int, str],
    domain: tuple[int, float],
    layout: Layout,
) -> list[alt.Chart]:
    chosen = [r for r in rows if r["index"] in named]
    if not chosen:
        return []
    count, top = domain
    x = Scale(0, count, layout.width, log=False)
    y = Scale(0, top, layout.height * 0.7, up=True, log=False)
    places = labelled(
        [(r["index"], r["kb"]) for r in chosen],
        [named[r["index"]] for r in chosen],
        (x, y),
        font=layout.font,
        radius=4,
        obstacles=[
            bead for r in rows for bead in _beads(x.to_pixel(r["index"]), y.to_pixel(r["kb"]), y.pixels)
        ],
    )
    data = [
        {"index": r["index"], "kb": r["kb"], "text": named[r["index"]]} | at
        for r, at in zip(chosen, places, strict=True)
    ]
    base = chart(data)
    leaders = base.mark_rule(color="#5B636C", strokeWidth=layout.font / 18).encode(
        x=alt.X("index:Q"), y=alt.Y("kb:Q"), x2=alt.X2("end_x"), y2=alt.Y2("end_y")
    )
    dots = base.mark_point(filled=True, color=INK, size=layout.marker / 3, opacity=1).encode(
        x=alt.X("index:Q"), y=alt.Y("kb:Q")
    )
    text = base.encode(x=alt.X("at_x:Q"), y=alt.Y("at_y:Q"), text=alt.Text("text:N"))
    return [leaders, dots, outlined(text, layout), text.mark_text(fontSize=layout.font, color=INK)]


def _beads(x: float, top: float, height: float) -> list[tuple[float, float]]:
    """Points down a bar, close enough together that no label slips between."""
    return [(x, y) for y in np.arange(top, height, 4.0)]
