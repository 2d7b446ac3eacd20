"""How figures look: colours that the colour-blind tell apart, sizes for a page, a phone and a paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "BASELINE",
    "DEVICES",
    "DOMINATED",
    "FRONTS",
    "INK",
    "LAYOUTS",
    "NARROW",
    "NETWORK",
    "PAPER",
    "SOURCE",
    "WIDE",
    "Layout",
    "colours",
    "config",
    "looks",
    "shade",
    "shapes",
]

# M. Okabe and K. Ito, "Color Universal Design", 2008.
FRONTS = {"capability": "#0072B2", "operating": "#D55E00"}
BASELINE = "#A0528A"
DOMINATED = "#A9AEB4"
NETWORK = "#8A9097"
SOURCE = "#F0E442"
DEVICES = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
INK = "#22262B"
_MUTED = "#5B636C"
_GRID = "#E7E9EC"
_SANS = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Arial, sans-serif"

# An axis whose values are all but equal would show all their binary decimals.
_ROUNDED = "length(datum.label) > 10 ? format(datum.value, ',~r') : datum.label"


@dataclass(frozen=True)
class Layout:
    """Sizes of a figure: pixels on a screen, points on paper.

    Attributes:
        width: Of the plot within its axes.
        row: Height of one bar where a figure is a list of bars.
        marker: Area of a point's mark.
        legend_columns: How many entries of a legend stand side by side.
    """

    name: str
    width: int
    height: int
    font: float
    row: float
    marker: float
    legend_columns: int


WIDE = Layout("wide", 700, 400, 12, 17, 95, 5)
NARROW = Layout("narrow", 262, 330, 10.5, 16, 70, 2)
# A column of a two-column paper is 252 points wide (IEEE; ACM has 241), its text 8 to 10 points.
PAPER = Layout("paper", 206, 150, 7, 8.6, 26, 2)
LAYOUTS = (WIDE, NARROW)


def config(layout: Layout) -> dict[str, Any]:
    """The Vega-Lite configuration of a layout."""
    font = "Helvetica, Arial, Liberation Sans, sans-serif" if layout is PAPER else _SANS
    axis: Mapping[str, Any] = {
        "labelFontSize": layout.font,
        "titleFontSize": layout.font,
        "titleFontWeight": "normal",
        "titleColor": _MUTED,
        "titlePadding": layout.font * 0.7,
        "labelColor": INK,
        "gridColor": _GRID,
        "gridWidth": 0.8,
        "domainColor": "#9AA1A9",
        "domainWidth": 0.8,
        "tickColor": "#9AA1A9",
        "tickSize": layout.font * 0.35,
        "tickWidth": 0.8,
        "labelPadding": layout.font * 0.3,
    }
    return {
        "font": font,
        "background": "white",
        "padding": 2,
        "view": {"stroke": None},
        "axis": axis,
        "axisQuantitative": {"labelExpr": _ROUNDED},
        "legend": {
            "orient": "top",
            "direction": "horizontal",
            "columns": layout.legend_columns,
            "labelFontSize": layout.font,
            "titleFontSize": layout.font,
            "labelColor": INK,
            "symbolSize": layout.marker * 0.9,
            "symbolStrokeWidth": layout.font / 9,
            "rowPadding": layout.font * 0.25,
            "columnPadding": layout.font,
            "padding": 0,
            "offset": layout.font * 0.8,
            "labelLimit": 0,
        },
    }


def colours(count: int) -> list[str]:
    """A colour for each of so many; from the seventh on the same ones, lighter."""
    return [shade(DEVICES[i % len(DEVICES)], 0.45 * (i // len(DEVICES) % 2)) for i in range(count)]


def looks(names: Sequence[str], order: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and shape of each name, by its place in `order`: the same in every figure of a report."""
    known = [*order, *(name for name in names if name not in order)]
    paired = dict(zip(known, zip(colours(len(known)), shapes(len(known)), strict=True), strict=True))
    return {name: paired[name] for name in known if name in names}


def shapes(count: int) -> list[str]:
    """A shape for each of so many: with `colours` no pair comes twice among 36."""
    return [_SHAPES[(i + i // len(DEVICES)) % len(_SHAPES)] for i in range(count)]


def shade(colour: str, lighter: float) -> str:
    """`colour` mixed with white: 0 leaves it, 1 is white."""
    channels = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(c + (255 - c) * lighter):02X}" for c in channels)
