"""The figure of where a request's time goes, by split: bars whose parts add up to the latency."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.data.breakdown import Breakdown
from analysis.figures.base import chart, distinct_names, mapped, of_cell, specification
from analysis.figures.labels import text_width
from analysis.figures.theme import DEVICES, INK, NETWORK, SOURCE, Layout, shade

__all__ = [
    "AT_SOURCE",
    "NETWORK_SHARE",
    "part_colours",
    "parts_figure",
    "stages_of",
]

NETWORK_SHARE = "network share"
AT_SOURCE = "source"
# In a closed loop with its inputs ready the source takes some microseconds: nothing that a bar could show.
_NOTICED = 0.005


def parts_figure(
    breakdowns: Sequence[Breakdown], front: frozenset[str], devices: Sequence[str], layout: Layout
) -> dict[str, Any]:
    """The Vega-Lite specification of the bars.

    Args:
        breakdowns: At least one.
        front: Cell ids on the capability front, whose names are printed bold.
        devices: Of the lab, in its order.
    """
    colours = part_colours(stages_of(breakdowns), devices)
    names = distinct_names([b.result for b in breakdowns])
    rows = [row for b, name in zip(breakdowns, names, strict=True) for row in _rows(b, name, list(colours))]
    bold = [n for b, n in zip(breakdowns, names, strict=True) if b.result.cell.id in front]
    if all(row["share"] < _NOTICED for row in rows if row["part"] == AT_SOURCE):
        rows = [row for row in rows if row["part"] != AT_SOURCE]
    used = [s for s in colours if any(r["part"] == s and r["mean_ms"] > 0 for r in rows)]
    y = alt.Y(
        "split:N",
        sort=names,
        title=None,
        axis=alt.Axis(
            labelLimit=int(layout.width * 0.65),
            labelFontWeight=alt.condition(
                f"indexof({bold}, datum.value) >= 0", alt.value("bold"), alt.value("normal")
            ),
            ticks=False,
            domain=False,
        ),
    )
    bars = (
        chart(rows)
        .mark_bar(height={"band": 0.8})
        .encode(
            y=y,
            x=alt.X("mean_ms:Q", title="mean latency at depth 1 (ms)", axis=alt.Axis(tickCount=5)),
            color=mapped(alt.Color, "part", {s: colours[s] for s in used}),
            order=alt.Order("order:Q"),
            tooltip=[
                alt.Tooltip("split:N"),
                alt.Tooltip("part:N"),
                alt.Tooltip("mean_ms:Q", title="mean (ms)", format=".4~g"),
                alt.Tooltip("share:Q", title="share of latency", format=".1%"),
                alt.Tooltip("total_ms:Q", title="all parts (ms)", format=".4~g"),
                alt.Tooltip("within:N", title="seen within network share"),
            ],
        )
    )
    p50 = (
        chart(_medians(breakdowns, names))
        .mark_tick(color=INK, thickness=layout.font / 7, height={"band": 0.95}, orient="vertical")
        .encode(y=y, x=alt.X("p50_ms:Q"), tooltip=[alt.Tooltip("p50_ms:Q", title="p50 (ms)", format=".4~g")])
    )
    widest = max(40, *(text_width(name, layout.font) for name in names))
    return specification(
        [bars, p50],
        width=max(layout.width - int(widest * 0.6), layout.width // 2),
        height={"step": layout.row},
        description="where the time of a request goes, by split, at depth 1",
    )


def stages_of(breakdowns: Sequence[Breakdown]) -> list[str]:
    """The stages of all bars, device by device in the order of the chains."""
    devices = list(dict.fromkeys(device for b in breakdowns for device in b.result.cell.devices))
    names = {stage for b in breakdowns for stage, _ in b.parts}
    return sorted(names, key=lambda name: (devices.index(name.partition(" (")[0]), name))


def part_colours(stages: Sequence[str], devices: Sequence[str]) -> dict[str, str]:
    """Colour by segment, in the order in which the segments are stacked; by device, as in other figures."""
    colours, known = {AT_SOURCE: SOURCE}, [*devices, *(stage for stage in stages if stage not in devices)]
    for i, stage in enumerate(stages):
        base = DEVICES[known.index(stage) % len(DEVICES)]
        colours[f"{stage}: wait"] = shade(base, 0.75)
        colours[f"{stage}: codec"] = shade(base, 0.5)
        colours[f"{stage}: compute"] = base
        if i == 0:
            colours[NETWORK_SHARE] = NETWORK
    return colours


def _rows(breakdown: Breakdown, name: str, order: Sequence[str]) -> list[dict[str, Any]]:
    within = ", ".join(f"{n.removesuffix('_s')} {v * 1e3:.3g} ms" for n, v in breakdown.on_network.items())
    segments = {AT_SOURCE: breakdown.source_s}
    segments |= {f"{device}: {part}": seconds for (device, part), seconds in breakdown.parts.items()}
    segments[NETWORK_SHARE] = breakdown.network_s
    return [
        {
            **_at_depth_1(breakdown),
            "split": name,
            "part": part,
            "order": order.index(part),
            "mean_ms": seconds * 1e3,
            "share": seconds / breakdown.total_s,
            "total_ms": breakdown.total_s * 1e3,
            "within": within if part == NETWORK_SHARE else "–",
        }
        for part, seconds in segments.items()
    ]


def _at_depth_1(breakdown: Breakdown) -> dict[str, Any]:
    """Bars are of depth 1 by what they show, so no other depth can be selected."""
    return {**of_cell(breakdown.result.cell), "depth": ""}


def _medians(breakdowns: Sequence[Breakdown], names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {**_at_depth_1(b), "split": name, "p50_ms": value * 1e3}
        for b, name in zip(breakdowns, names, strict=True)
        if (value := b.result.latency().value) is not None
    ]
