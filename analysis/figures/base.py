"""What a figure is, and the parts that several figures share."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import altair as alt
from altair.utils.schemapi import debug_mode

from analysis.data.sweep import CellResult
from analysis.figures.theme import INK, Layout
from controller.results import Cell

__all__ = [
    "FILTERS",
    "Figure",
    "chart",
    "colour_and_shape",
    "distinct_names",
    "hints",
    "linear_ticks",
    "log_axis",
    "log_ticks",
    "mapped",
    "named_rows",
    "of_cell",
    "outlined",
    "points_with_intervals",
    "quickly",
    "specification",
    "specified",
    "with_filters",
]

_Channel = TypeVar("_Channel", alt.Color, alt.Shape)

FILTERS = ("model", "network", "depth", "codec")
"""What the page has menus for."""

Figure = Callable[[Layout], dict[str, Any]]
"""Draws a figure of the report: gives its Vega-Lite specification in a layout."""


class _Rows:
    """A chart's rows, which altair would copy and convert with every part that is added to the chart."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = list(rows)


def chart(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart over `rows`, which travel inside the specification.

    Encode it with channel objects (`x=alt.X("value:Q")`): altair takes far longer for shorthand strings.
    """
    with debug_mode(False):
        return alt.Chart(alt.Data(values=_Rows(rows)))  # type: ignore[no-untyped-call]  # altair types only its front


def specification(layers: Sequence[alt.Chart], **properties: Any) -> dict[str, Any]:
    """The Vega-Lite specification of layers with their width, height and description."""
    return specified(alt.layer(*layers, **properties))


def specified(whole: alt.LayerChart | alt.FacetChart | alt.VConcatChart) -> dict[str, Any]:
    """The Vega-Lite specification of a chart whose parts are from `chart`."""
    return _with_rows(whole.to_dict(validate=False))


def _with_rows(part: dict[str, Any]) -> dict[str, Any]:
    for kind in ("layer", "vconcat"):
        if kind in part:
            part = {**part, kind: [_with_rows(child) for child in part[kind]]}
    rows = part.get("data", {}).get("values")
    return {**part, "data": {"values": rows.rows}} if isinstance(rows, _Rows) else part


def quickly(draw: Figure) -> Figure:
    """Draw without altair's check of each part as it is made, which takes longer than the drawing."""
    return partial(_draw_quickly, draw)


def _draw_quickly(draw: Figure, layout: Layout) -> dict[str, Any]:
    with debug_mode(False):
        return draw(layout)


def log_ticks(low: float, high: float) -> list[float]:
    """Round values between `low` and `high`: three to nine of them, wherever the two lie."""
    steps: tuple[tuple[float, ...], ...]
    steps = ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9))
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in steps:
        ticks = [round(m * 10.0**d, 12) for d in decades for m in mantissas]
        ticks = [t for t in ticks if low <= t <= high]
        if len(ticks) >= 4:
            return ticks
    step = 10.0 ** math.floor(math.log10((high - low) / 3))
    step *= next(m for m in (5, 2, 1) if (high - low) / (m * step) >= 3 or m == 1)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def linear_ticks(low: float, high: float) -> list[float]:
    """Round values between `low` and `high`, which differ: three to six of them."""
    rough = (high - low) / 5
    step = 10.0 ** math.floor(math.log10(rough))
    step *= next(m for m in (1, 2, 5, 10) if m * step >= rough)
    first = math.ceil(low / step)
    return [round(i * step, 12) for i in range(first, math.floor(high / step) + 1)]


def log_axis(low: float, high: float, title: str) -> dict[str, Any]:
    """What makes a channel logarithmic from `low` to `high`."""
    return {
        "title": title,
        "scale": alt.Scale(type="log", domain=[low, high], nice=False),
        "axis": alt.Axis(values=log_ticks(low, high), format="~r"),
    }


def colour_and_shape(
    field: str, looks: Mapping[str, tuple[str, str]], title: str | None = None
) -> tuple[alt.Color, alt.Shape]:
    """Channels that give each value of `field` its colour and its shape, with one legend."""

    colours, shapes = ({value: look[i] for value, look in looks.items()} for i in (0, 1))
    return mapped(alt.Color, field, colours, title=title), mapped(alt.Shape, field, shapes, title=title)


def mapped(
    kind: type[_Channel], field: str, looks: Mapping[str, str], title: str | None = None, **legend: Any
) -> _Channel:
    """A channel that gives each value of `field` its look, with a legend."""
    scale = alt.Scale(domain=list(looks), range=list(looks.values()))
    return kind(f"{field}:N", scale=scale, legend=alt.Legend(title=title, **legend))


def hints(titles: Mapping[str, str]) -> list[alt.Tooltip]:
    """What is shown on hovering: fields and their titles."""
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def named_rows(field: str, names: Sequence[str], layout: Layout) -> alt.Y:
    """A row for each name, from top to bottom as given."""
    axis = alt.Axis(labelLimit=int(layout.width * 0.6), ticks=False)
    return alt.Y(f"{field}:N", sort=list(names), title=None, axis=axis)


def distinct_names(results: Sequence[CellResult]) -> list[str]:
    """What the rows of a figure are called: where each cuts, with more where several cut there."""
    names = [r.split.where for r in results]
    cells = [r.cell for r in results]
    for more in _DISTINCTIONS:
        longer = [f"{n}, {more(c)}" for n, c in zip(names, cells, strict=True)]
        # What tells no two of them apart only makes them too long to be read.
        if len(set(longer)) > len(set(names)):
            names = longer
    if len(set(names)) == len(names):
        return names
    return [f"{n} ({c.id[:4]})" if names.count(n) > 1 else n for n, c in zip(names, cells, strict=True)]


def _prefetch(cell: Cell) -> str:
    return "all inputs made before" if cell.prefetch is None else f"{cell.prefetch} inputs ahead"


def _threads(cell: Cell) -> str:
    return "threads of each device" if cell.threads is None else f"{cell.threads} threads"


_DISTINCTIONS: tuple[Callable[[Cell], str], ...] = (
    lambda c: f"batch {c.batch}",
    lambda c: "\N{RIGHTWARDS ARROW}".join(c.devices),
    lambda c: c.codec,
    lambda c: c.backend,
    _threads,
    _prefetch,
)


def points_with_intervals(
    base: alt.Chart,
    field: str,
    axis: Mapping[str, Any],
    look: tuple[alt.Color, alt.Shape],
    tooltip: Sequence[alt.Tooltip],
    *,
    strokes: tuple[float, float],
    size: float,
) -> list[alt.Chart]:
    """Points across at `field`, each on its interval from `low` to `high`, and a dashed line at 1.

    Args:
        axis: What the three have in common: title, scale and axis.
        strokes: Widths of the dashed line and of the intervals.
    """
    colour, shape = look
    x = alt.X(f"{field}:Q", **axis)
    one = chart([{field: 1}]).mark_rule(color=INK, strokeDash=[3, 3], strokeWidth=strokes[0])
    return [
        one.encode(x=x),
        base.mark_rule(strokeWidth=strokes[1]).encode(
            x=alt.X("low:Q", **axis), x2=alt.X2("high"), color=colour
        ),
        base.mark_point(filled=True, opacity=1, size=size).encode(
            x=x, color=colour, shape=shape, tooltip=list(tooltip)
        ),
    ]


def outlined(text: alt.Chart, layout: Layout) -> alt.Chart:
    """Text in white with a wide stroke: beneath ink it stays readable on a grid line or a leader."""
    halo: alt.Chart = text.mark_text(
        fontSize=layout.font, stroke="white", strokeWidth=layout.font / 4, strokeJoin="round"
    )
    return halo


def of_cell(cell: Cell) -> dict[str, Any]:
    """What a row of this cell has, so that a click finds the cell and the page's menus narrow the figure.

    A figure of several models or networks has those in its rows too; one of a single one lies in a section of
    the page that is hidden as a whole.
    """
    return {"cell": cell.id, "depth": cell.depth, "codec": cell.codec}


def with_filters(spec: dict[str, Any], fields: Sequence[str] = FILTERS) -> dict[str, Any]:
    """`spec` with a parameter `only_FIELD` for each field of its rows: a value shows its rows alone.

    Rows without the field, or with an empty one, are shown always. With `all`, the default, all are shown
    but those whose `FIELD_all` is false: they stand in for another row once a value is chosen.
    """
    datasets, used = spec.get("datasets", {}), set()

    def filtered(part: dict[str, Any], inherited: dict[str, Any]) -> dict[str, Any]:
        data = part.get("data", inherited)
        for kind in ("layer", "vconcat"):
            if kind in part:
                return {**part, kind: [filtered(child, data) for child in part[kind]]}
        row = (data.get("values") or datasets.get(data.get("name")) or [{}])[0]
        mine = [f for f in fields if f in row]
        used.update(mine)
        tests = [
            {
                "filter": f"only_{f} === 'all' ? datum.{f}_all !== false"
                f" : datum.{f} === '' || '' + datum.{f} === only_{f}"
            }
            for f in mine
        ]
        return {**part, "transform": [*tests, *part.get("transform", [])]} if tests else part

    narrowed = filtered(spec, {})
    params = [{"name": f"only_{field}", "value": "all"} for field in fields if field in used]
    return {**narrowed, "params": [*spec.get("params", []), *params]} if params else narrowed
