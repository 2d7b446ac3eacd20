"""Fill the templates of the report's page and of a comparison's."""

import functools
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
import vl_convert

from analysis.data.breakdown import Breakdown, breakdown
from analysis.data.predictions import errors_of
from analysis.data.sweep import OFFLINE, Sweep
from analysis.figures import LAYOUTS, VEGA_LITE, Figure, config
from analysis.figures.conditions import placed
from analysis.figures.front import LEAST_PROBABILITY, divided
from analysis.figures.parts import AT_SOURCE, NETWORK_SHARE, part_colours, stages_of
from analysis.figures.selection import prediction_groups
from analysis.fronts.answers import Answer, Goal
from analysis.fronts.fronts import Front, Point
from analysis.report import words
from analysis.report.concerns import concerns, disagreements, missing_cells
from analysis.report.disclosure import measured_on
from analysis.report.tables import change_rows, codec_rows
from analysis.statistics.bootstrap import RESAMPLES
from analysis.statistics.estimates import Estimate
from analysis.study import Group, Model, Study
from controller.results import TIMED, Accuracy, DeviceRow, MeasuredLink
from controller.results.drifts import drifts

__all__ = ["cells_json", "fill", "render"]

_MISSING_SHOWN = 40
_WANTED: dict[Goal, str] = {
    "latency": "the lowest latency",
    "throughput": "the highest throughput",
    "accuracy": "the highest accuracy",
    "payload": "the least payload",
    "memory": "the least memory",
}


def render(study: Study, figures: Mapping[str, Figure]) -> str:
    """The whole report."""
    return fill(
        "report.html.j2", figures, **_context(study, frozenset(figures)), cells_json=cells_json(study)
    )


def fill(template: str, figures: Mapping[str, Figure], **context: Any) -> str:
    """A page from its template, self-contained: styles, data and the drawing code are in it."""
    templates = files("analysis") / "templates"
    page = _environment().get_template(template)
    return page.render(
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script=(templates / "charts.js").read_text(encoding="utf-8"),
        library=_library(),
        charts=_charts(figures),
        **context,
    )


@functools.cache
def _environment() -> jinja2.Environment:
    """The templates, each compiled once, and what they call."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "plain": words.plain,
        "figure": words.figure,
        "median": statistics.median,
        "listed": words.listed,
        "percent": words.percent,
    }
    return environment


@functools.cache
def _library() -> str:
    """The code that draws the figures in a browser: vega, vega-lite and vega-embed, 0.9 MB."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)


def _charts(figures: Mapping[str, Figure]) -> str:
    """Every figure's specifications."""
    specs = {
        name: {layout.name: draw(layout) | {"config": config(layout)} for layout in LAYOUTS}
        for name, draw in figures.items()
    }
    return _script_json(specs)


def _script_json(value: Any) -> str:
    """JSON that can stand in a script element."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def cells_json(study: Study) -> str:
    """Every finished cell as the page's script needs it, by id: what a click on its point shows."""
    devices = [d.name for d in study.sweep.devices]
    cells: dict[str, dict[str, Any]] = {}
    for group in study.groups:
        breakdowns = [breakdown(r) for r in group.cells if r.trials]
        # As the figure of this group has them; a second stage of a device that it lacks comes after.
        stages = stages_of(group.breakdowns)
        stages += [stage for stage in stages_of(breakdowns) if stage not in stages]
        colours = part_colours(stages, devices)
        cells |= {b.result.cell.id: _cell(b, colours) for b in breakdowns}
    return _script_json(cells)


def _cell(times: Breakdown, colours: Mapping[str, str]) -> dict[str, Any]:
    result = times.result
    cell = result.cell
    named = {f"{stage}: {part}": seconds for (stage, part), seconds in times.parts.items()}
    named |= {NETWORK_SHARE: times.network_s, AT_SOURCE: times.source_s}
    parts = [(name, seconds * 1e3, colours[name]) for name, seconds in named.items()]
    busy = {
        stage: "unknown" if share.value is None else words.percent(share.value)
        for stage, share in result.by_stage("busy").items()
    }
    latency = [["latency p50", words.milliseconds(result.latency())]]
    if result.utilisation.value is not None:
        latency.append(["mean latency, long run", words.milliseconds(result.latency_mean)])
        latency.append(["utilisation", words.percent(result.utilisation.value)])
    facts = [
        ["network", cell.network],
        ["devices", " \N{RIGHTWARDS ARROW} ".join(cell.devices)],
        ["cut points", ", ".join(map(str, cell.cuts))],
        ["depth, batch", f"{cell.depth}, {cell.batch}"],
        ["codec, load", f"{cell.codec}, {result.load}"],
        *latency,
        ["throughput", words.per_second(result.throughput)],
        ["busy", ", ".join(f"{stage} {share}" for stage, share in busy.items())],
        ["bottleneck", ", ".join(result.bottlenecks) or "unknown"],
        ["trials", f"{len(result.trials)}, {sum(t.requests for t in result.trials)} requests"],
    ]
    return {"where": result.split.where, "facts": facts, "parts": [p for p in parts if p[1] > 0]}


def _context(study: Study, drawn: frozenset[str]) -> dict[str, Any]:
    sweep = study.sweep
    missing = missing_cells(sweep)
    return {
        "title": f"Where to cut {words.listed(model.title for model in study.models)}",
        "experiment": sweep.experiment,
        "file": sweep.path.name,
        "finished": sweep.finished,
        "missing_trials": sweep.missing,
        "trials_wanted": sweep.wanted.most,
        "wanted": sweep.wanted,
        "cells": len(sweep.cells),
        "measured_on": measured_on(sweep),
        "concerns": concerns(sweep),
        "seed": sweep.seed,
        "numbered": any("@" in c.split.where for c in sweep.cells),
        "groups": [_group(study, group) for group in study.groups],
        "drawn": drawn,
        "models": [_model(model, drawn) for model in study.models],
        "choices": _choices(study),
        "predictions": _predictions(study),
        "resamples": RESAMPLES,
        "accuracies": [_accuracy(sweep, bundle) for bundle in sweep.manifests],
        "drifts": drifts(sweep.sentinels),
        "voids": [(v, sweep.split_of(v.cell).where) for v in sweep.voids],
        "missing": missing[:_MISSING_SHOWN],
        "missing_more": max(0, len(missing) - _MISSING_SHOWN),
        "devices": sweep.devices,
        "changes": change_rows(sweep),
        "descriptions": [(title, words.flat(d.stamp)) for title, d in _descriptions(sweep)],
        "environments": [(n, at, words.flat(stamp)) for n, at, stamp in sweep.environments],
        "links": [(p, words.conditions(p.requested)) for p in sweep.networks],
        "measured_links": _measured_links(sweep),
        "manifests": [(model.title, model.bundle, sweep.manifests[model.bundle]) for model in study.models],
    }


def _model(model: Model, drawn: frozenset[str]) -> dict[str, Any]:
    """A model's own figures: maps of networks, throughput by number of devices, payload by cut."""
    maps = []
    for objective in TIMED:
        unplaced = [a.network.name for a in model.answers(objective) if placed(a) is None]
        maps.append((objective, f"{model.anchor}-networks-{objective}", unplaced))
    devices = f"{model.anchor}-devices"
    return {
        "title": model.title,
        "maps": [row for row in maps if row[1] in drawn],
        "devices": devices if devices in drawn else "",
        "payload": f"{model.anchor}-payload",
    }


def _choices(study: Study) -> dict[str, list[str]]:
    """What the page can be narrowed to, where there is more than one."""
    cells = [r.cell for r in study.sweep.cells if r.trials]
    choices = {
        "model": list(dict.fromkeys(group.title for group in study.groups)),
        "network": list(dict.fromkeys(group.network.name for group in study.groups)),
        "depth": [str(d) for d in sorted({c.depth for c in cells})],
        "codec": sorted({c.codec for c in cells}),
    }
    return {name: values for name, values in choices.items() if len(values) > 1}


def _predictions(study: Study) -> list[dict[str, Any]]:
    return [
        {
            "source": cells[0].source,
            "what": "latency of a single request" if cells[0].depth == 1 else "time between two results",
            "figure": name,
            "errors": errors_of(cells),
        }
        for name, cells in prediction_groups(study).items()
    ]


def _group(study: Study, group: Group) -> dict[str, Any]:
    cells = [p.cell for front in group.fronts for p in front.points]
    return {
        "anchor": group.anchor,
        "title": group.network.name,
        "model": group.title,
        "conditions": words.network_words(group.network),
        "description": group.network.requested.get("description", ""),
        "answers": [(a, *words.answer_sentences(a)) for a in group.answers],
        "knee": words.answer_sentences(group.knee, group.answers) if group.knee else None,
        "unanswered": [words.unanswered(objective) for objective in group.unanswered],
        "verdict": _verdict(study.sweep, group.answers),
        "kinds": list(dict.fromkeys(a.point.split.kind for a in group.answers)),
        "fronts": [_front(group, front) for front in group.fronts],
        "differing": [
            head
            for head in ("devices", "n|batch", "codec")
            if len({getattr(cell, head.removeprefix("n|")) for cell in cells}) > 1
        ],
        "open": any(p.cell.load != OFFLINE for p in group.operating.points),
        "brief": [words.brief(a) for a in group.answers],
        "busy": bool(group.deepest),
        "timeline": group.timeline,
        "breakdowns": [_breakdown_row(b) for b in group.breakdowns],
    }


def _front(group: Group, front: Front) -> dict[str, Any]:
    off_front = [p for p in front.points if not p.on_front]
    return {
        "name": front.name,
        "figure": f"{group.anchor}-{front.name}",
        "drawn": front.drawable,
        "points": front.members,
        "perhaps": sum((p.probability or 0.0) >= LEAST_PROBABILITY for p in off_front),
        "outside": [
            f"{b.name} ({words.milliseconds(b.latency)}, {words.per_second(b.throughput)})"
            for b in divided(front.points, group.baselines)[1]
            if b.latency.value is not None
        ],
        "hypervolume": front.hypervolume,
        "box": front.box,
        "lucky": _lies_off(front.hypervolume),
        "objectives": front.objectives,
        "dominated": len(off_front),
    }


def _lies_off(figure: Estimate) -> bool:
    """Whether a figure is not within its own interval."""
    if figure.value is None or figure.low is None or figure.high is None:
        return False
    return not figure.low <= figure.value <= figure.high


def _verdict(sweep: Sweep, mine: Sequence[Answer]) -> str:
    """The network's answer in one sentence."""
    if not mine:
        return f"No answer yet: {words.why_none(sweep.objectives)}."
    text = _one_for_all(mine) or _by_objective(mine)
    return f"{text[0].upper()}{text[1:]}."


def _one_for_all(mine: Sequence[Answer]) -> str:
    """The best split for one objective that is within noise of the best for each other one; else nothing."""
    for point in (a.point for a in mine if all(_is_near(a.point, other) for other in mine)):
        behind = [_WANTED[other.objective] for other in mine if other.point.cell.id != point.cell.id]
        behind_by = f" (within noise of {words.listed(behind)})" if behind else ""
        if point.split.kind == "stay":
            return f"do not split: {point.split.sentence}{behind_by}"
        if len(mine) > 1:
            return f"{point.split.sentence} for {words.listed(a.objective for a in mine)}{behind_by}"
    return ""


def _is_near(point: Point, answer: Answer) -> bool:
    """Whether a split is an answer's, or as good within noise."""
    near = (answer.point, *answer.ties, *answer.equivalents)
    return point.cell.id in {p.cell.id for p in near}


def _by_objective(mine: Sequence[Answer]) -> str:
    by_split: dict[str, list[str]] = {}
    for a in mine:
        by_split.setdefault(a.point.split.sentence, []).append(_WANTED[a.objective])
    return "; ".join(f"{sentence} for {words.listed(goals)}" for sentence, goals in by_split.items())


def _breakdown_row(times: Breakdown) -> dict[str, Any]:
    devices = dict.fromkeys(device for device, _ in times.parts)
    return {
        "where": times.result.split.where,
        "total_ms": times.total_s * 1e3,
        "network_ms": times.network_s * 1e3,
        "network_share": times.network_s / times.total_s,
        "hops": [(d, {p: s * 1e3 for (device, p), s in times.parts.items() if device == d}) for d in devices],
        "on_network_ms": {name: seconds * 1e3 for name, seconds in times.on_network.items()},
    }


def _accuracy(sweep: Sweep, bundle: str) -> dict[str, Any]:
    """First, middle and last split, and every one that disagrees."""
    rows = sorted((a for a in sweep.accuracies if a.bundle == bundle), key=lambda a: a.cuts)
    shown: list[Accuracy] = []
    if rows:
        shown = [rows[0], rows[len(rows) // 2], rows[-1]]
    wrong = [a for a in disagreements(sweep) if a.bundle == bundle]
    listed = list(dict.fromkeys([*shown, *wrong]))
    mine = [r for r in sweep.cells if r.cell.bundle == bundle]
    labels = {r.cell.cuts: r.split.where for r in sorted(mine, key=lambda r: r.cell.codec == "none")}
    return {
        "title": sweep.title(bundle),
        "count": len(rows),
        "samples": rows[0].samples if rows else 0,
        "whole": rows[0].whole if rows else None,
        "worst_error": max((a.worst_error for a in rows), default=None),
        "wrong": len(wrong),
        "codecs": codec_rows(sweep, bundle),
        "rows": [(a, labels.get(a.cuts, ",".join(map(str, a.cuts))), a in wrong) for a in listed],
    }


def _descriptions(sweep: Sweep) -> Iterator[tuple[str, DeviceRow]]:
    """Each device as it was, with a title: of one that changed once for each distinct description."""
    for device in sweep.devices:
        described = sweep.found.descriptions(device.name)
        if len(described) == 1:
            yield f"All that is known of {device.name}", device
            continue
        for description in described:
            trials = sweep.trials_in(description.environments)
            numbers = words.listed(map(str, description.environments))
            where = f"environment{'s' * (len(description.environments) > 1)} {numbers}"
            held = f"{where} ({trials} trial{'s' * (trials != 1)})"
            yield f"All that is known of {device.name} in {held}", description.device


def _measured_links(sweep: Sweep) -> list[dict[str, Any]]:
    """A table for each network whose links were measured, in the experiment's order, others after.

    Its rows are directions of a link. Each figure is in words, `-` where nothing was requested or measured.
    """
    names = dict.fromkeys([*(p.name for p in sweep.networks), *sorted(k.network for k in sweep.links)])
    links = {name: [k for k in sweep.links if k.network == name] for name in names}
    return [
        {"network": name, "taken_at": max(k.taken_at for k in mine), "rows": [_link_row(k) for k in mine]}
        for name, mine in links.items()
        if mine
    ]


def _link_row(link: MeasuredLink) -> dict[str, str]:
    requested, measured = link.requested, link.measured
    sent_all = "" if measured.get("filled", True) else ", all that was sent"
    lost = f"{measured.get('lost')} of {measured.get('datagrams')}"
    return {
        "way": f"{link.sender} \N{RIGHTWARDS ARROW} {link.receiver}",
        "round_trip_requested": _condition(requested, "round_trip_ms"),
        "round_trip": _condition(measured, "round_trip_ms"),
        "rate_requested": _condition(requested, "rate_mbit"),
        "rate": _condition(measured, "rate_mbit") + sent_all,
        # A loss of 0 was not requested.
        "loss_requested": _condition(requested, "loss_percent") if requested.get("loss_percent") else "-",
        "loss": f"{_condition(measured, 'loss_percent')} ({lost})",
        "tcp": _condition(measured, "tcp_mbit"),
    }


def _condition(conditions: Mapping[str, Any], key: str) -> str:
    value = conditions.get(key)
    return "-" if value is None else words.figure(value)
