"""The figure of a comparison: for each cell how many times more, with its interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.figures.base import chart
from analysis.figures.front import log_ticks
from analysis.figures.labels import width_beside
from analysis.figures.theme import INK, Layout

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
    used = [v for v in _VERDICTS if any(row.verdict == v for row in rows)]
    y = alt.Y(
        "name:N", sort=names, title=None, axis=alt.Axis(labelLimit=int(layout.width * 0.6), ticks=False)
    )
    scale = alt.Scale(type="log", domain=domain, nice=False)
    ticks = alt.Axis(values=log_ticks(*domain), format="~r")
    x = alt.X("factor:Q", title=title, scale=scale, axis=ticks)
    colour = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=used, range=[_VERDICTS[v][0] for v in used]),
        legend=alt.Legend(title=None),
    )
    shape = alt.Shape(
        "verdict:N",
        scale=alt.Scale(domain=used, range=[_VERDICTS[v][1] for v in used]),
        legend=alt.Legend(title=None),
    )
    hints = {"name": "cell", "a": "A", "b": "B", "factor": "B / A", "verdict": "B is"}
    base = chart(data).encode(y=y)
    one = chart([{"factor": 1}]).mark_rule(color=INK, strokeDash=[3, 3], strokeWidth=layout.font / 14)
    layers = [
        one.encode(x=x),
        base.mark_rule(strokeWidth=layout.font / 7).encode(
            x=alt.X("low:Q", scale=scale, axis=ticks, title=title), x2="high", color=colour
        ),
        base.mark_point(filled=True, opacity=1, size=layout.marker * 0.7).encode(
            x=x,
            color=colour,
            shape=shape,
            tooltip=[alt.Tooltip(f"{key}:N", title=words) for key, words in hints.items()],
        ),
    ]
    spec = alt.layer(*layers).properties(
        width=width_beside(names, layout.width, layout.font),
        height=layout.row * max(len(rows), 3),
        description=title,
    )
    return dict(spec.to_dict(validate=False))
