"""The figure of a front: latency across, throughput up, both logarithmic."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import altair as alt

from analysis.data.sweep import OFFLINE, Baseline
from analysis.figures.base import chart, hints, log_ticks, mapped, of_cell, outlined, specification
from analysis.figures.labels import Scale, labelled
from analysis.figures.theme import BASELINE, DOMINATED, FRONTS, INK, Layout, shade
from analysis.fronts.fronts import Front, Point
from analysis.statistics.attainment import Surface
from analysis.statistics.estimates import Estimate

__all__ = ["LEAST_PROBABILITY", "band", "divided", "front_figure"]

_SHAPES = {"split": "circle", "stay": "square", "offload": "triangle-up"}
_TOOLTIP = {
    "where": "cuts",
    "kind": "kind",
    "status": "status",
    "latency_text": "latency p50",
    "throughput_text": "throughput",
    "cuts": "cut points",
    "devices": "devices",
    "batch": "batch",
    "codec": "codec",
    "topology": "topology",
    "backend": "backend",
    "accuracy": "accuracy",
    "sure": "on the front in",
}
_ON, _PERHAPS, _DOMINATED = "on the front", "perhaps", "dominated"
LEAST_PROBABILITY = 0.05
"""From this probability of being on the front on, a dominated point is drawn as perhaps on it."""
_ROOM = 2.0
_X = "latency_ms"
_Y = "throughput_per_s"


def front_figure(front: Front, baselines: Sequence[Baseline], layout: Layout) -> dict[str, Any]:
    """The Vega-Lite specification of one front; points without latency are left out.

    Args:
        front: At least one of its candidates has both figures.
        baselines: Drawn with them if there is room for them; members of no front.
    """
    points = front.points
    rows = [_row(p) for p in points if p.latency.value is not None]
    several = len({b.threads for b in baselines}) > 1
    alone = [_baseline_row(b, with_threads=several) for b in divided(points, baselines)[0]]
    x, y = _scales(rows + alone, layout)
    members = sorted((r for r in rows if r["status"] == _ON), key=lambda r: float(r[_X]))
    colour = FRONTS[front.name]
    leaders, *texts = _labels(members, rows, alone, (x, y), layout)
    layers = [
        band(front.surfaces, colour, (x.high, y.low)),
        leaders,
        # Beneath the points, which can be clicked: the end "everything on the first device" is often as fast.
        _marks(alone, layout, colour, 1.0),
        _marks([r for r in rows if r["status"] == _DOMINATED], layout, colour, 0.5),
        _marks([r for r in rows if r["status"] == _PERHAPS], layout, colour, 1.0),
        chart(_steps(members))
        .mark_line(interpolate="step-after", color=colour, strokeWidth=layout.font / 7, opacity=0.55)
        .encode(x=alt.X(f"{_X}:Q"), y=alt.Y(f"{_Y}:Q")),
        *_intervals(members + alone, layout),
        _marks(members, layout, colour, 1.0),
        *texts,
    ]
    named = f"{front.name} front: latency p50 against throughput"
    drawn = [layer for layer in layers if layer is not None]
    spec = specification(drawn, width=layout.width, height=layout.height, description=named)
    _set_scale(spec, "x", x, "latency p50 (ms, log scale)   ← better")
    _set_scale(spec, "y", y, "throughput (samples/s, log scale)   better →")
    return spec


def divided(points: Sequence[Point], baselines: Sequence[Baseline]) -> tuple[list[Baseline], list[Baseline]]:
    """Baselines to draw, and those so far off that drawing them would squeeze the front into a corner.

    A device that is many times faster, and that no input is born on, says little about the front beside it.
    """
    known = [(p.latency.value, p.throughput.value) for p in points if p.latency.value and p.throughput.value]
    if not known:
        return [], list(baselines)
    near: list[Baseline] = []
    far: list[Baseline] = []
    for b in baselines:
        figures = (b.latency.value, b.throughput.value)
        fits = all(
            value is not None
            and min(k[i] for k in known) / _ROOM <= value <= max(k[i] for k in known) * _ROOM
            for i, value in enumerate(figures)
        )
        (near if fits else far).append(b)
    return near, far


def band(surfaces: Sequence[Surface], colour: str, corner: tuple[float, float]) -> alt.Chart | None:
    """The area between two attainment surfaces; None where there are none.

    Args:
        corner: The highest latency in ms and the lowest throughput that the figure shows.
    """
    levels = {s.level: [(latency * 1e3, rate) for latency, rate in s.steps] for s in surfaces}
    if not levels:
        return None
    right, bottom = corner
    edges = [*sorted({x for steps in levels.values() for x, _ in steps if x < right}), right]
    rows = [
        {"left": left, "right": end, "top": top, "low": max(_at(levels["every"], left, bottom), bottom)}
        for left, end in itertools.pairwise(edges)
        if (top := _at(levels["any"], left, bottom)) > bottom
    ]
    if not rows:
        return None
    area: alt.Chart = (
        chart(rows)
        .mark_rect(color=colour, opacity=0.13)
        .encode(x=alt.X("left:Q"), x2=alt.X2("right"), y=alt.Y("low:Q"), y2=alt.Y2("top"))
    )
    return area


def _at(steps: Sequence[tuple[float, float]], latency: float, otherwise: float) -> float:
    """The throughput that is attained within this latency."""
    return max((rate for x, rate in steps if x <= latency), default=otherwise)


def _steps(front: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where the front's line leads: not through points that are there for their accuracy alone."""
    steps: list[dict[str, Any]] = []
    for row in front:
        if not steps or float(row[_Y]) > float(steps[-1][_Y]):
            # The line is of no cell.
            steps.append({name: row[name] for name in (_X, _Y, "depth", "codec")})
    return steps


def _row(point: Point) -> dict[str, Any]:
    unloaded = "unloaded, depth 1" if point.front == "capability" else _offered(point)
    return {
        "label": point.label,
        "where": point.split.where,
        "kind": point.split.kind,
        "status": _status(point),
        **of_cell(point.cell),
        "latency_cell": point.latency_cell.id,
        # A capability is of two depths: that of its capacity, and 1.
        "depth": point.cell.depth if point.front == "operating" else "",
        **_figures(point.latency, point.throughput),
        "latency_text": f"{_text(point.latency, 1e3, 'ms')} ({unloaded})",
        "throughput_text": f"{'>= ' * point.is_bound}{_text(point.throughput, 1, '/s')} ({_offered(point)})",
        "cuts": ", ".join(map(str, point.cell.cuts)),
        "devices": " → ".join(point.cell.devices),
        "batch": point.cell.batch,
        "topology": point.cell.topology,
        "backend": point.cell.backend,
        "accuracy": "null" if point.accuracy is None else f"{point.accuracy:.4f}",
        "sure": "null" if point.probability is None else f"{point.probability:.0%} of resamples",
    }


def _status(point: Point) -> str:
    if point.on_front:
        return _ON
    return _PERHAPS if (point.probability or 0.0) >= LEAST_PROBABILITY else _DOMINATED


def _offered(point: Point) -> str:
    """How deep, and under which load if it is an open one."""
    load = "" if point.cell.load == OFFLINE else f"{point.cell.load}, "
    return f"{load}depth {point.cell.depth}"


def _baseline_row(baseline: Baseline, *, with_threads: bool) -> dict[str, Any]:
    threads = f", threads {baseline.threads}" if with_threads else ""
    return {
        "label": f"{baseline.name}{threads}",
        "where": f"whole model in {baseline.name}, no network",
        "kind": "baseline",
        "status": "baseline",
        "cell": "",
        "depth": "",
        **_figures(baseline.latency, baseline.throughput),
        "latency_text": _text(baseline.latency, 1e3, "ms"),
        "throughput_text": _text(baseline.throughput, 1, "/s"),
        "cuts": "none",
        "devices": baseline.device,
        "batch": baseline.batch,
        "codec": "none",
        "topology": "none",
        "backend": "none",
        "accuracy": "that of the whole graph",
        "sure": "never: not a candidate",
    }


def _figures(latency: Estimate, throughput: Estimate) -> dict[str, float | None]:
    return {
        _X: _ms(latency.value),
        "latency_low": _ms(latency.low),
        "latency_high": _ms(latency.high),
        _Y: throughput.value,
        "throughput_low": throughput.low,
        "throughput_high": throughput.high,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1e3


def _text(figure: Estimate, factor: float, unit: str) -> str:
    if figure.value is None:
        return "null"
    text = f"{figure.value * factor:.4g} {unit}"
    if figure.low is None or figure.high is None:
        return text
    return f"{text} [{figure.low * factor:.4g} to {figure.high * factor:.4g}]"


def _scales(rows: Sequence[dict[str, Any]], layout: Layout) -> tuple[Scale, Scale]:
    def scale(name: str, pixels: float, up: bool) -> Scale:
        values = [float(r[name]) for r in rows]
        low, high = min(values), max(values)
        room = max((high / low) ** 0.09, 1.12)
        return Scale(low / room, high * room, pixels, up)

    return scale(_X, layout.width, False), scale(_Y, layout.height, True)


def _set_scale(spec: dict[str, Any], axis: str, scale: Scale, title: str) -> None:
    """Give every layer's channel the same scale and axis."""
    for layer in spec["layer"]:
        if axis in layer["encoding"]:
            layer["encoding"][axis] |= {
                "scale": {"type": "log", "domain": [scale.low, scale.high], "nice": False},
                "axis": {"values": log_ticks(scale.low, scale.high), "format": "~r", "title": title},
            }


def _marks(rows: Sequence[dict[str, Any]], layout: Layout, colour: str, opacity: float) -> alt.Chart | None:
    if not rows:
        return None
    baseline = rows[0]["status"] == "baseline"
    size = layout.marker * {_DOMINATED: 0.55, _PERHAPS: 0.8, _ON: 1.0, "baseline": 1.5}[rows[0]["status"]]
    base: alt.Chart = chart(rows).encode(
        x=alt.X(f"{_X}:Q"),
        y=alt.Y(f"{_Y}:Q"),
        tooltip=hints(_TOOLTIP),
    )
    if baseline:
        # Hollow: the end "everything on the first device" usually lies under its baseline.
        hollow: alt.Chart = base.mark_point(
            shape="diamond", size=size, color=BASELINE, strokeWidth=layout.font / 7
        )
        return hollow
    shades = {_ON: colour, _PERHAPS: shade(colour, 0.55), _DOMINATED: DOMINATED}
    filled: alt.Chart = base.mark_point(
        filled=True, opacity=opacity, size=size, stroke="white", strokeWidth=layout.font / 18
    ).encode(
        color=mapped(alt.Color, "status", shades, symbolOpacity=1, symbolStrokeColor="white"),
        shape=mapped(
            alt.Shape, "kind", _SHAPES, symbolOpacity=1, symbolFillColor=INK, symbolStrokeColor="white"
        ),
    )
    return filled


def _intervals(rows: Sequence[dict[str, Any]], layout: Layout) -> list[alt.Chart]:
    rows = [r for r in rows if r["latency_low"] is not None and r["throughput_low"] is not None]
    if not rows:
        return []
    base = chart(rows).mark_rule(color=INK, strokeWidth=layout.font / 11, opacity=0.7)
    return [
        base.encode(x=alt.X("latency_low:Q"), x2=alt.X2("latency_high"), y=alt.Y(f"{_Y}:Q")),
        base.encode(x=alt.X(f"{_X}:Q"), y=alt.Y("throughput_low:Q"), y2=alt.Y2("throughput_high")),
    ]


def _labels(
    front: Sequence[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
    alone: Sequence[dict[str, Any]],
    scales: tuple[Scale, Scale],
    layout: Layout,
) -> list[alt.Chart]:
    """Names of front points, of both ends and of baselines, each at its own place."""
    x, y = scales
    ends = [r for r in rows if r["status"] != _ON and r["kind"] != "split"]
    named = [*front, *alone, *_one_each(ends)]

    def pixels(rows: Sequence[dict[str, Any]]) -> list[tuple[float, float]]:
        return [(x.to_pixel(float(r[_X])), y.to_pixel(float(r[_Y]))) for r in rows]

    places = labelled(
        [(float(r[_X]), float(r[_Y])) for r in named],
        [str(r["label"]) for r in named],
        scales,
        font=layout.font,
        radius=math.sqrt(layout.marker / math.pi) + 1,
        obstacles=[*pixels([r for r in rows if r not in named]), *_stairs(pixels(_steps(front)))],
    )
    data = [
        {name: r[name] for name in ("label", _X, _Y, "depth", "codec")} | at | {"strong": r["status"] == _ON}
        for r, at in zip(named, places, strict=True)
    ]
    base = chart(data)
    leaders = (
        base.transform_filter("datum.leader")
        .mark_rule(color="#9AA1A9", strokeWidth=layout.font / 18)
        .encode(x=alt.X(f"{_X}:Q"), y=alt.Y(f"{_Y}:Q"), x2=alt.X2("end_x"), y2=alt.Y2("end_y"))
    )
    text = base.encode(x=alt.X("at_x:Q"), y=alt.Y("at_y:Q"), text=alt.Text("label:N"))
    ink = text.mark_text(fontSize=layout.font).encode(
        color=alt.ColorValue("#6A727B", condition={"test": "datum.strong", "value": INK})
    )
    return [leaders, outlined(text, layout), ink]


def _one_each(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a name: an end that was run at several depths is named once, at its best throughput."""
    best: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["where"] not in best or float(row[_Y]) > float(best[row["where"]][_Y]):
            best[row["where"]] = row
    return list(best.values())


def _stairs(front: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Points along the front's line, close enough together that no label slips between."""
    beads = []
    for (x0, y0), (x1, y1) in itertools.pairwise(front):
        beads += [(x0 + (x1 - x0) * i / 40, y0) for i in range(41)]
        beads += [(x1, y0 + (y1 - y0) * i / 40) for i in range(41)]
    return beads
