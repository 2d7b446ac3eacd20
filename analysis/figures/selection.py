"""Which figures a sweep has, and their names."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from analysis.data.breakdown import breakdowns
from analysis.data.predictions import PredictedCell, Source
from analysis.data.sweep import OFFLINE, CellResult, Network, Sweep
from analysis.data.telemetry import moments
from analysis.data.timeline import bars_of
from analysis.figures.base import Figure, with_filters
from analysis.figures.busy import busy_cells, busy_figure
from analysis.figures.conditions import conditions_figure, placed
from analysis.figures.front import front_figure
from analysis.figures.gains import gained, gains_figure
from analysis.figures.parts import parts_figure
from analysis.figures.payload import payload_figure
from analysis.figures.prediction import prediction_figure
from analysis.figures.scaling import scaling_figure
from analysis.figures.telemetry import telemetry_figure
from analysis.figures.theme import Layout
from analysis.figures.timeline import timeline_figure
from analysis.fronts.answers import Answer
from analysis.fronts.fronts import FrontName, capability, front_of
from analysis.fronts.scaling import best_by_devices
from controller.results import Results

__all__ = [
    "GAINS",
    "TELEMETRY",
    "figures_of",
    "front_name",
    "group_name",
    "model_name",
    "parts_name",
    "payload_name",
    "prediction_name",
    "stem",
    "timeline_cell",
]

GAINS, TELEMETRY = "gains", "telemetry"


def stem(*words: str) -> str:
    """A file name, and an anchor, of letters, digits, dots, dashes and underscores."""
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "-", word).strip("-") for word in words)


def front_name(sweep: Sweep, bundle: str, network: str, front: str) -> str:
    """`mobilenet_v2-wifi-capability`."""
    return group_name(sweep, bundle, network, front)


def group_name(sweep: Sweep, bundle: str, network: str, what: str) -> str:
    """Of what is drawn for each model under each network: `mobilenet_v2-wifi-busy`."""
    return stem(sweep.title(bundle), network, what)


def model_name(sweep: Sweep, bundle: str, what: str) -> str:
    """Of what is drawn for each model: `mobilenet_v2-devices`."""
    return stem(sweep.title(bundle), what)


def parts_name(sweep: Sweep, bundle: str, network: str) -> str:
    """`mobilenet_v2-wifi-parts`."""
    return group_name(sweep, bundle, network, "parts")


def payload_name(sweep: Sweep, bundle: str) -> str:
    """`mobilenet_v2-payload`."""
    return model_name(sweep, bundle, "payload")


def prediction_name(source: Source, depth: int) -> str:
    """Latency is predicted at depth 1, above it the time between two results."""
    name = "predicted-latency" if depth == 1 else "predicted-interval"
    return f"bench-{name}" if source == "bench" else name


def figures_of(
    sweep: Sweep, found: Sequence[Answer] = (), predicted: Sequence[PredictedCell] = ()
) -> dict[str, Figure]:
    """Every figure that the sweep has results for, by name.

    Args:
        found: Its answers, for the figures of what they gain and of where they hold.
        predicted: What there is of predictions.
    """
    figures = _of_answers(sweep, found)
    for bundle, network in sweep.groups():
        figures += _of_group(sweep, bundle, network)
    for bundle in sweep.manifests:
        figures += _of_model(sweep, bundle, [a for a in found if a.bundle == bundle])
    for source, depth in dict.fromkeys((c.source, min(c.depth, 2)) for c in predicted):
        cells = [c for c in predicted if (c.source, min(c.depth, 2)) == (source, depth)]
        figures.append(Figure(prediction_name(source, depth), partial(prediction_figure, cells)))
    if told := moments(sweep):
        figures.append(Figure(TELEMETRY, partial(telemetry_figure, told, [d.name for d in sweep.devices])))
    return {f.name: Figure(f.name, partial(_narrowable, f.draw)) for f in figures}


def _narrowable(draw: Callable[[Layout], dict[str, Any]], layout: Layout) -> dict[str, Any]:
    return with_filters(draw(layout))


def _of_answers(sweep: Sweep, found: Sequence[Answer]) -> list[Figure]:
    shown = gained(found)
    if not shown:
        return []
    several = len(sweep.manifests) > 1
    titles = [
        f"{a.network.name}: {a.objective}" + (f", {sweep.title(a.bundle)}" if several else "") for a in shown
    ]
    models = [sweep.title(a.bundle) for a in shown]
    return [Figure(GAINS, partial(gains_figure, shown, titles, models))]


def _of_group(sweep: Sweep, bundle: str, network: Network) -> list[Figure]:
    baselines = [b for b in sweep.baselines if b.bundle == bundle]
    figures = []
    unloaded = capability(sweep, bundle, network.name)
    names: tuple[FrontName, ...] = ("capability", "operating")
    for front in (front_of(sweep, name, bundle, network.name) for name in names):
        if any(p.latency.value is not None for p in front.points):
            name = front_name(sweep, bundle, network.name, front.name)
            figures.append(Figure(name, partial(front_figure, front, baselines)))
    results = sweep.of(bundle, network.name)
    bars, devices = breakdowns(results), [d.name for d in sweep.devices]
    if bars:
        best = frozenset(p.latency_cell.id for p in unloaded if p.on_front)
        figures.append(
            Figure(
                parts_name(sweep, bundle, network.name),
                lambda layout: parts_figure(bars, best, devices, layout),
            )
        )
    if deep := busy_cells(results):
        name = group_name(sweep, bundle, network.name, "busy")
        figures.append(Figure(name, partial(busy_figure, deep, _closed(results), devices)))
    if shown := timeline_cell(sweep, bundle, network.name):
        figures += _timeline(sweep, shown, group_name(sweep, bundle, network.name, "timeline"))
    return figures


def _closed(results: Sequence[CellResult]) -> list[CellResult]:
    return [r for r in results if r.cell.load == OFFLINE]


def timeline_cell(sweep: Sweep, bundle: str, network: str) -> CellResult | None:
    """The cell of most throughput among those with several stages."""
    deep = [r for r in busy_cells(sweep.of(bundle, network)) if len(r.trials[0].hops) > 1]
    return max(deep, key=lambda r: r.throughput.value or 0.0, default=None)


def _timeline(sweep: Sweep, shown: CellResult, name: str) -> list[Figure]:
    with Results.open(sweep.path) as store:
        trial = next(store.trials(shown.cell.id))
    bars = bars_of(trial, [hop.stage for hop in shown.trials[0].hops])
    return (
        [Figure(name, partial(timeline_figure, bars, shown.cell.id, [d.name for d in sweep.devices]))]
        if bars
        else []
    )


def _of_model(sweep: Sweep, bundle: str, found: Sequence[Answer]) -> list[Figure]:
    figures = [_payload(sweep, bundle)]
    for objective in ("latency", "throughput"):
        mine = [a for a in found if a.objective == objective and placed(a)]
        if len({placed(a) for a in mine}) > 1:
            name = model_name(sweep, bundle, f"networks-{objective}")
            figures.append(Figure(name, partial(conditions_figure, mine)))
    by_network = [(p.name, capability(sweep, b, p.name)) for b, p in sweep.groups() if b == bundle]
    if len({count for _, points in by_network for count in best_by_devices(points)}) > 1:
        figures.append(Figure(model_name(sweep, bundle, "devices"), partial(scaling_figure, by_network)))
    return figures


def _payload(sweep: Sweep, bundle: str) -> Figure:
    """Cuts on some capability front are named; the raw input's size is the offloading cell's own."""
    cells = [r for r in sweep.cells if r.cell.bundle == bundle]
    named: dict[int, str] = {}
    for network in sweep.networks:
        for point in capability(sweep, bundle, network.name):
            if point.on_front and point.split.kind == "split":
                named |= dict.fromkeys(point.cell.cuts, point.split.place)
    return Figure(
        payload_name(sweep, bundle),
        lambda layout: payload_figure(
            sweep.manifests[bundle],
            sweep.input_bytes(bundle),
            {cut for r in cells if r.trials for cut in r.cell.cuts},
            named,
            layout,
        ),
    )
