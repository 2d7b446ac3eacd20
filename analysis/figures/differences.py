"""The figure of a comparison: for each cell how many times more, with its interval."""

from collections.abc import Sequence
from typing import Any

from analysis.figures.base import (
    chart,
    colour_and_shape,
    hints,
    log_axis,
    named_rows,
    points_with_intervals,
    specification,
)
from analysis.figures.labels import width_beside
from analysis.figures.theme import Layout

__all__ = ["factors_figure"]

# M. Okabe and K. Ito, "Color Universal Design", 2008; each verdict has a shape of its own too.
_VERDICTS = {
    "better": ("#0072B2", "circle"),
    "worse": ("#D55E00", "triangle-up"),
    "tie": ("#8A9097", "square"),
    "unknown": ("#8A9097", "diamond"),
}


def factors_figure(rows: Sequence[dict[str, Any]], title: str, layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification.

    Args:
        rows: From top to bottom: name, factor with low and high, verdict, and what a and b had, in words.
        title: What the factor is of.
    """
    names = [row["name"] for row in rows]
    values = [v for row in rows for v in (row["low"], row["high"], 1.0)]
    domain = min(values) / 1.03, max(values) * 1.03
    used = {v: look for v, look in _VERDICTS.items() if any(row["verdict"] == v for row in rows)}
    layers = points_with_intervals(
        chart(rows).encode(y=named_rows("name", names, layout)),
        "factor",
        log_axis(*domain, title),
        colour_and_shape("verdict", used),
        hints({"name": "cell", "a": "A", "b": "B", "factor": "B / A", "verdict": "B is"}),
        strokes=(layout.font / 14, layout.font / 7),
        size=layout.marker * 0.7,
    )
    return specification(
        layers,
        width=width_beside(names, layout.width, layout.font),
        height=layout.row * max(len(rows), 3),
        description=title,
    )
