"""Which figures a study has, and their names."""

from functools import partial
from typing import Any

from analysis.data.predictions import PredictedCell
from analysis.data.sweep import OFFLINE
from analysis.figures.base import Figure, quickly, with_filters
from analysis.figures.busy import busy_figure
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
from analysis.fronts.fronts import best_by_devices
from analysis.study import Group, Model, Study
from controller.results import TIMED

__all__ = ["figures_of", "prediction_groups"]

# Of fewer the first table says as much: a best split for each network, and its gain over one device.
_LEAST_ON_MAP = 5
_LEAST_COUNTS = 3


def figures_of(study: Study) -> dict[str, Figure]:
    """Every figure that the study has something for, by name."""
    drawn: dict[str, Figure] = _of_answers(study)
    for group in study.groups:
        drawn |= _of_group(study, group)
    for model in study.models:
        drawn |= _of_model(study, model)
    drawn |= {name: partial(prediction_figure, cells) for name, cells in prediction_groups(study).items()}
    if moments := study.sweep.moments:
        titles = {model.bundle: model.title for model in study.models}
        drawn["telemetry"] = partial(telemetry_figure, moments, titles, [d.name for d in study.sweep.devices])
    return {name: quickly(partial(_narrowable, draw)) for name, draw in drawn.items()}


def prediction_groups(study: Study) -> dict[str, list[PredictedCell]]:
    """Predicted cells by figure: latency is predicted at depth 1, above it the time between two results."""
    groups: dict[str, list[PredictedCell]] = {}
    for cell in study.predictions:
        name = "predicted-latency" if cell.depth == 1 else "predicted-interval"
        groups.setdefault(f"bench-{name}" if cell.source == "bench" else name, []).append(cell)
    return groups


def _narrowable(draw: Figure, layout: Layout) -> dict[str, Any]:
    return with_filters(draw(layout))


def _of_answers(study: Study) -> dict[str, Figure]:
    shown = gained(study.answers)
    if not shown:
        return {}
    models = [study.sweep.title(a.bundle) for a in shown]
    several = len(study.models) > 1
    titles = [
        f"{a.network.name}: {a.objective}" + (f", {model}" if several else "")
        for a, model in zip(shown, models, strict=True)
    ]
    return {"gains": partial(gains_figure, shown, titles, models)}


def _of_group(study: Study, group: Group) -> dict[str, Figure]:
    devices = [d.name for d in study.sweep.devices]
    drawn: dict[str, Figure] = {
        front.name: partial(front_figure, front, group.baselines) for front in group.fronts if front.drawable
    }
    if group.breakdowns:
        best = frozenset(p.latency_cell.id for p in group.capability.members)
        drawn["parts"] = partial(parts_figure, group.breakdowns, best, devices)
    if group.deepest:
        closed = [r for r in group.cells if r.cell.load == OFFLINE]
        drawn["busy"] = partial(busy_figure, group.deepest, closed, devices)
    if shown := group.timeline:
        bars = study.sweep.timelines[shown.cell.id]
        drawn["timeline"] = partial(timeline_figure, bars, shown.cell.id, devices)
    return {f"{group.anchor}-{what}": draw for what, draw in drawn.items()}


def _of_model(study: Study, model: Model) -> dict[str, Figure]:
    drawn: dict[str, Figure] = {"payload": _payload(study, model)}
    for objective in TIMED:
        on_map = [a for a in model.answers(objective) if placed(a)]
        if len({placed(a) for a in on_map}) >= _LEAST_ON_MAP:
            drawn[f"networks-{objective}"] = partial(conditions_figure, on_map)
    by_network = [(g.network.name, g.capability.points) for g in model.groups]
    if len({count for _, points in by_network for count in best_by_devices(points)}) >= _LEAST_COUNTS:
        drawn["devices"] = partial(scaling_figure, by_network)
    return {f"{model.anchor}-{what}": draw for what, draw in drawn.items()}


def _payload(study: Study, model: Model) -> Figure:
    """Cuts on some capability front are named; the raw input's size is the offloading cell's own."""
    named: dict[int, str] = {}
    for group in model.groups:
        for point in group.capability.points:
            if point.on_front and point.split.kind == "split":
                named |= dict.fromkeys(point.cell.cuts, point.split.place)
    return partial(
        payload_figure,
        study.sweep.manifests[model.bundle],
        study.sweep.input_bytes(model.bundle),
        {cut for g in model.groups for r in g.cells if r.trials for cut in r.cell.cuts},
        named,
    )
