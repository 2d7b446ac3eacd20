"""The figure of what a pipeline's stages did, request by request: computing, and the bubbles between."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.data.timeline import Bar
from analysis.figures.base import chart, specification
from analysis.figures.theme import DEVICES, Layout, shade

__all__ = ["timeline_figure"]


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
        x2=alt.X2("stop"),
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
                x=alt.X("middle:Q"),
                y=y,
                text=alt.Text("text:N"),
                color=alt.ColorValue("white", condition={"test": "datum.request % 2", "value": "#22262B"}),
            )
        )
    return specification(
        layers,
        width=layout.width,
        height=layout.row * 2.2 * len(stages),
        description="what each stage did when",
    )
