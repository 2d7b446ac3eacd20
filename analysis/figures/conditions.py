"""The figure of the best split by network condition: a map over rate and delay."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from analysis.figures.base import chart, colour_and_shape, hints, log_axis, specification
from analysis.figures.labels import Scale, labelled
from analysis.figures.theme import INK, Layout
from analysis.fronts.answers import Answer

__all__ = ["conditions_figure", "placed"]

_KINDS = {
    "stay": ("#009E73", "square"),
    "split": ("#0072B2", "circle"),
    "offload": ("#E69F00", "triangle-up"),
}
_HINTS = {
    "network": "network",
    "where": "best split",
    "kind": "kind",
    "sure": "best in",
    "rate": "Mbit/s",
    "delay": "ms",
}


def placed(answer: Answer) -> tuple[float, float] | None:
    """Rate in Mbit/s and one-way delay in ms of the answer's network; None where one is not set.

    Where a network differs by direction, that of requests counts: they are what a cut makes large.
    """
    requested: Mapping[str, Any] = answer.network.requested
    forward = requested.get("forward")
    requested = {**requested, **forward} if isinstance(forward, Mapping) else requested
    rate, delay = requested.get("rate_mbit"), requested.get("delay_ms")
    if not isinstance(rate, int | float) or not isinstance(delay, int | float) or rate <= 0 or delay <= 0:
        return None
    return float(rate), float(delay)


def conditions_figure(answers: Sequence[Answer], layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification. Only networks that were measured are on it: nothing is filled in between.

    Args:
        answers: Answers for one objective, each with a place.
    """
    places = [place for a in answers if (place := placed(a)) is not None]
    height = layout.height * 0.75
    x = _scale([rate for rate, _ in places], layout.width)
    y = _scale([delay for _, delay in places], height, up=True)
    rows = [
        {
            "cell": (a.point.latency_cell if a.objective == "latency" else a.point.cell).id,
            "rate": rate,
            "delay": delay,
            "network": a.network.name,
            "kind": a.point.split.kind,
            "where": a.point.split.where,
            "text": f"{a.network.name}: {a.point.split.where}",
            "sure": _sure(a.probability),
        }
        for a, (rate, delay) in zip(answers, places, strict=True)
    ]
    texts = [str(row["text"]) for row in rows]
    at = labelled(places, texts, (x, y), font=layout.font, radius=math.sqrt(layout.marker * 2 / math.pi))
    named = [{"network": row["network"], "text": row["text"]} | p for row, p in zip(rows, at, strict=True)]
    colour, shape = colour_and_shape(
        "kind", {kind: look for kind, look in _KINDS.items() if any(row["kind"] == kind for row in rows)}
    )
    marks = (
        chart(rows)
        .mark_point(filled=True, opacity=1, size=layout.marker * 2)
        .encode(
            x=alt.X("rate:Q", **log_axis(x.low, x.high, "rate of the network (Mbit/s, log scale)")),
            y=alt.Y("delay:Q", **log_axis(y.low, y.high, "delay, one way (ms, log scale)")),
            color=colour,
            shape=shape,
            tooltip=hints(_HINTS),
        )
    )
    text = (
        chart(named)
        .mark_text(fontSize=layout.font, color=INK)
        .encode(x=alt.X("at_x:Q"), y=alt.Y("at_y:Q"), text=alt.Text("text:N"))
    )
    return specification(
        [marks, text],
        width=layout.width,
        height=height,
        description="best split by rate and delay of the network",
    )


def _sure(probability: float | None) -> str:
    if probability is None:
        return "null"
    return "over 99%" if 0.99 < probability < 1 else f"{probability:.0%}"


def _scale(values: Sequence[float], pixels: float, *, up: bool = False) -> Scale:
    room = max((max(values) / min(values)) ** 0.15, 2.0)
    return Scale(min(values) / room, max(values) * room, pixels, up)
