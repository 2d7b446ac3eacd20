"""The figure of what crosses a cut, by cut point."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.figures.base import chart, linear_ticks, mapped, specification
from analysis.figures.labels import text_width
from analysis.figures.theme import INK, Layout

__all__ = ["payload_figure"]

_COLOURS = {"measured": "#0072B2", "clean, not measured": "#9CCBE8", "wide": "#D3D7DB"}


@dataclass(frozen=True)
class _Flag:
    """The label of a cut: its text begins at `left`, `width` long, in cut points; row 0 is the lowest."""

    index: int
    kb: float
    text: str
    left: float
    width: float
    row: int


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
    highest = max([r["kb"] for r in rows] + [(input_bytes or 0) / 1e3]) * 1.06
    count = int(manifest["node_count"])
    flags = _flags([r for r in rows if r["index"] in named], named, count, layout)
    height = layout.height * 0.6
    kb_per_row = highest * layout.font * 1.3 / height
    levels = max((f.row for f in flags), default=-1) + 1
    top = highest + levels * kb_per_row
    x = alt.X(
        "left:Q", title="cut point (nodes before the cut)", scale=alt.Scale(domain=[0, count], nice=False)
    )
    y = alt.Y(
        "kb:Q",
        title="crossing the cut (kB a sample)",
        scale=alt.Scale(domain=[0, top], nice=False),
        # Beside the labels there is nothing to read off.
        axis=alt.Axis(values=linear_ticks(0, highest)),
    )
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
    layers = [bars, *_input_line(input_bytes, layout), *_named(flags, highest, kb_per_row, layout)]
    return specification(
        layers,
        width=layout.width,
        height=height * top / highest,
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


def _flags(
    named: Sequence[Mapping[str, Any]], texts: Mapping[int, str], count: int, layout: Layout
) -> list[_Flag]:
    """A label for each cut, in rows above the bars, its text to the right of its cut where there is room.

    A label that reaches to another cut is above that cut's label, so that no leader runs through a text.
    """
    per_pixel = count / layout.width
    flags: list[_Flag] = []
    for row in sorted(named, key=lambda r: -int(r["index"])):
        index, text = int(row["index"]), texts[int(row["index"])]
        width = (text_width(text, layout.font) + layout.font) * per_pixel
        left = max(0.0, min(index + layout.font / 3 * per_pixel, count - width))
        begin, end = min(index, left), left + width
        beneath = [f.row for f in flags if min(f.index, f.left) < end and begin < f.left + f.width]
        flags.append(_Flag(index, float(row["kb"]), text, left, width, max(beneath, default=-1) + 1))
    return flags


def _named(flags: Sequence[_Flag], bottom: float, kb_per_row: float, layout: Layout) -> list[alt.Chart]:
    """Labels in their rows, whose first begins at `bottom` (kB), each with a leader down to its bar."""
    if not flags:
        return []
    data = [
        {
            "index": f.index,
            "kb": f.kb,
            "text": f.text,
            "left": f.left,
            "at": bottom + (f.row + 0.5) * kb_per_row,
        }
        for f in flags
    ]
    base = chart(data)
    leaders = base.mark_rule(color="#5B636C", strokeWidth=layout.font / 18).encode(
        x=alt.X("index:Q"), y=alt.Y("kb:Q"), y2=alt.Y2("at")
    )
    dots = base.mark_point(filled=True, color=INK, size=layout.marker / 3, opacity=1).encode(
        x=alt.X("index:Q"), y=alt.Y("kb:Q")
    )
    text = base.mark_text(fontSize=layout.font, color=INK, align="left").encode(
        x=alt.X("left:Q"), y=alt.Y("at:Q"), text=alt.Text("text:N")
    )
    return [leaders, dots, text]
