"""The figure of a comparison: for each cell how many times more, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
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

__all__ = ["FactorRow", "factors_figure"]

# M. Okabe and K. Ito, "Color Universal Design", 2008; each verdict has a shape of its own too.
_VERDICTS = {
    "better": ("#0072B2", "circle"),
    "worse": ("#D55E00", "triangle-up"),
    "tie": ("#8A9097", "square"),
    "unknown": ("#8A9097", "diamond"),
}


@dataclass(frozen=True)
class FactorRow:
    """A row: its name, the factor with its interval, what it means, and what both sides had, in words."""

    name: str
    factor: float
    low: float | None
    high: float | None
    verdict: str
    a: str
    b: str


def factors_figure(rows: Sequence[FactorRow], title: str, layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification; rows from top to bottom as given."""
    data = [vars(row) | {"low": row.low or row.factor, "high": row.high or row.factor} for row in rows]
    names = [row.name for row in rows]
    values = [v for row in data for v in (row["low"], row["high"], 1.0)]
    domain = min(values) / 1.03, max(values) * 1.03
    used = {v: look for v, look in _VERDICTS.items() if any(row.verdict == v for row in rows)}
    layers = points_with_intervals(
        chart(data).encode(y=named_rows("name", names, layout)),
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
