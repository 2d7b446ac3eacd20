"""The figure of what a pipeline's stages did, request by request: computing, and the bubbles between."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from analysis.data.trial_metrics import rows_of_requests
from analysis.figures.base import chart
from analysis.figures.theme import DEVICES, Layout, shade
from controller.store import Trial

__all__ = ["Bar", "bars_of", "timeline_figure"]

_REQUESTS = 12


@dataclass(frozen=True)
class Bar:
    """A stage with a request in hand, in seconds since the first bar shown."""

    stage: str
    request: int
    start_s: float
    stop_s: float


def bars_of(trial: Trial, stages: Sequence[str]) -> list[Bar]:
    """Bars of a dozen requests from the middle of a trial.

    Each stage keeps time by its own device's clock, and clocks of two devices are never subtracted. A row is
    therefore shifted as a whole, so that the fastest message from the stage before it takes no time at all:
    by how much messages differ is true, how long the fastest one took is not shown.
    """
    hops = [np.sort(rows_of_requests(trial, rows), order="request") for rows in trial.records]
    first = max(0, len(trial.endpoint) // 2 - _REQUESTS // 2)
    bars, ended = [], None
    for stage, rows in zip(stages, hops, strict=True):
        start = rows["compute_at_s"].astype(np.float64)
        stop = start + rows["compute_s"]
        if ended is not None:
            shift = float(np.min(start - ended))
            start, stop = start - shift, stop - shift
        ended = stop
        bars += [
            Bar(stage, int(rows["request"][i]), float(start[i]), float(stop[i]))
            for i in range(first, min(first + _REQUESTS, len(rows)))
        ]
    origin = min((bar.start_s for bar in bars), default=0.0)
    return [Bar(b.stage, b.request, b.start_s - origin, b.stop_s - origin) for b in bars]


def timeline_figure(bars: Sequence[Bar], cell: str, devices: Sequence[str], layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification: a row a stage, a bar a request; what is white between them is a bubble.

    Args:
        cell: The id of the cell that they are of.
        devices: Of the lab, in its order.
    """
    stages = list(dict.fromkeys(bar.stage for bar in bars))
    rows: list[dict[str, Any]] = [
        {
            "cell": cell,
            "stage": bar.stage,
            "request": bar.request,
            "start": bar.start_s * 1e3,
            "stop": bar.stop_s * 1e3,
            "middle": (bar.start_s + bar.stop_s) * 5e2,
            "text": str(bar.request),
            "look": f"{bar.stage} {bar.request % 2}",
            "ms": (bar.stop_s - bar.start_s) * 1e3,
        }
        for bar in bars
    ]
    # Neighbouring requests differ in shade, so that bars that touch are still two.
    known = [*devices, *(stage for stage in stages if stage not in devices)]
    looks = {
        f"{stage} {odd}": shade(DEVICES[known.index(stage) % len(DEVICES)], 0.45 * odd)
        for stage in stages
        for odd in (0, 1)
    }
    y = alt.Y("stage:N", sort=stages, title=None, axis=alt.Axis(ticks=False, domain=False))
    base = chart(rows).encode(y=y)
    marks = base.mark_bar(height={"band": 0.7}).encode(
        x=alt.X("start:Q", title="ms, each row by its own device's clock"),
        x2="stop",
        color=alt.Color(
            "look:N", scale=alt.Scale(domain=list(looks), range=list(looks.values())), legend=None
        ),
        tooltip=[
            alt.Tooltip("stage:N"),
            alt.Tooltip("request:Q"),
            alt.Tooltip("ms:Q", title="computed for, ms", format=".4~g"),
        ],
    )
    span = max(row["stop"] for row in rows)
    wide = [row for row in rows if row["ms"] / span * layout.width > len(row["text"]) * layout.font * 0.75]
    layers = [marks]
    if wide:
        text = chart(wide).mark_text(fontSize=layout.font * 0.9, color="white", fontWeight="bold")
        layers.append(
            text.encode(
                x="middle:Q",
                y=y,
                text="text:N",
                color=alt.condition("datum.request % 2", alt.value("#22262B"), alt.value("white")),
            )
        )
    spec = alt.layer(*layers).properties(
        width=layout.width, height=layout.row * 2.2 * len(stages), description="what each stage did when"
    )
    return dict(spec.to_dict(validate=False))
