"""The first figure: how many times better the best split is than running without edgecut."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.data.sweep import baseline_name
from analysis.figures.base import (
    chart,
    colour_and_shape,
    hints,
    log_axis,
    points_with_intervals,
    specification,
)
from analysis.figures.labels import width_beside
from analysis.figures.theme import Layout
from analysis.fronts.answers import Answer, Gain
from controller.results import TIMED

__all__ = ["gained", "gains_figure"]

# M. Okabe and K. Ito, "Color Universal Design", 2008; each has a shape of its own too.
_LOOKS = {
    "one device": ("#A0528A", "diamond"),
    "equal split": ("#0072B2", "circle"),
    "offloading": ("#E69F00", "triangle-up"),
}


def gained(answers: Sequence[Answer]) -> list[Answer]:
    """The answers that the figure has a row for."""
    return [a for a in answers if a.objective in TIMED and any(_over(g, a) for g in a.gains)]


def gains_figure(
    answers: Sequence[Answer], titles: Sequence[str], models: Sequence[str], layout: Layout
) -> dict[str, Any]:
    """The Vega-Lite specification.

    Args:
        answers: Answers with gains.
        titles: The row of each.
        models: The model of each.
    """
    rows = [
        {"model": model, **row}
        for a, title, model in zip(answers, titles, models, strict=True)
        for row in _rows(a, title)
    ]
    values = [v for row in rows for v in (row["low"], row["high"], 1.0)]
    low, high = min(values) / 1.12, max(values) * 1.12
    order = list(dict.fromkeys(titles))
    used = {name: look for name, look in _LOOKS.items() if any(r["over"] == name for r in rows)}
    y = alt.Y("title:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=0))
    layers = points_with_intervals(
        chart(rows).encode(y=y, yOffset=alt.YOffset("over:N", sort=list(used))),
        "factor",
        log_axis(low, high, "times better than this (log scale) \u2192"),
        colour_and_shape("over", used, "against"),
        hints({"title": "best for", "where": "best split", "name": "against", "text": "times better"}),
        strokes=(layout.font / 12, layout.font / 6),
        size=layout.marker,
    )
    return specification(
        layers,
        width=width_beside(order, layout.width, layout.font),
        height=layout.row * 2.4 * max(len(order), 2),
        description="how many times better the best split is",
    )


def _over(gain: Gain, answer: Answer) -> str | None:
    """Only the first device, which has the input, could do without the others."""
    first = answer.point.cell.devices[0]
    if gain.factor.value is None:
        return None
    if gain.over == "baseline":
        return "one device" if gain.name == baseline_name(first) else None
    return {"equal": "equal split", "offload": "offloading"}.get(gain.over)


def _rows(answer: Answer, title: str) -> list[dict[str, Any]]:
    point = answer.point
    cell = point.latency_cell if answer.objective == "latency" else point.cell
    rows = []
    for gain in answer.gains:
        over, factor = _over(gain, answer), gain.factor
        if over is None or factor.value is None:
            continue
        low = factor.value if factor.low is None else factor.low
        high = factor.value if factor.high is None else factor.high
        rows.append(
            {
                "cell": cell.id,
                "network": cell.network,
                "title": title,
                "where": point.split.where,
                "over": over,
                "name": gain.name,
                "factor": factor.value,
                "low": low,
                "high": high,
                "text": f"{factor.value:.3g} ({low:.3g} to {high:.3g})" + (", a tie" if gain.tie else ""),
            }
        )
    return rows
