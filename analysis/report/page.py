"""Fill the templates of the report's page and of a comparison's."""

import functools
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
import vl_convert

from analysis.data.breakdown import Breakdown
from analysis.data.predictions import errors_of
from analysis.data.sweep import OFFLINE, Sweep
from analysis.figures import LAYOUTS, VEGA_LITE, Figure, config
from analysis.figures.baselines import divided
from analysis.figures.conditions import placed
from analysis.figures.front import LEAST_PROBABILITY
from analysis.figures.selection import prediction_groups
from analysis.fronts.answers import Answer, Goal
from analysis.fronts.fronts import Front
from analysis.report import words
from analysis.report.cells import cells_json
from analysis.report.concerns import concerns, disagreements, drifts, missing_cells
from analysis.report.disclosure import measured_on
from analysis.report.measured_links import measured_links
from analysis.report.tables import codec_rows
from analysis.statistics.bootstrap import RESAMPLES
from analysis.statistics.estimates import Estimate
from analysis.study import Group, Model, Study
from controller.results import Accuracy

__all__ = ["fill", "render"]

_MISSING_SHOWN = 40
_WANTED: dict[Goal, str] = {
    "latency": "the lowest latency",
    "throughput": "the highest throughput",
    "knee": "the best of both",
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
        "listed": words.listed,
        "percent": words.percent,
    }
    return environment.get_template(template).render(
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script=(templates / "charts.js").read_text(encoding="utf-8"),
        library=_library(),
        charts=_charts(figures),
        **context,
    )


@functools.cache
def _library() -> str:
    """The code that draws the figures in a browser: vega, vega-lite and vega-embed, 0.9 MB."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE)


def _charts(figures: Mapping[str, Figure]) -> str:
    """Every figure's specifications as JSON that can stand in a script element."""
    specs = {
        name: {layout.name: figure.draw(layout) | {"config": config(layout)} for layout in LAYOUTS}
        for name, figure in figures.items()
    }
    return json.dumps(specs, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def _context(study: Study, drawn: frozenset[str]) -> dict[str, Any]:
    sweep = study.sweep
    missing = missing_cells(sweep)
    return {
        "title": f"Where to cut {words.listed(model.title for model in study.models)}",
        "experiment": sweep.experiment,
        "file": sweep.path.name,
        "finished": sweep.finished,
        "wanted": sweep.wanted,
        "trials_wanted": sweep.trials_wanted,
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
        "least_probability": LEAST_PROBABILITY,
        "resamples": RESAMPLES,
        "accuracies": [_accuracy(sweep, bundle) for bundle in sweep.manifests],
        "drifts": drifts(sweep),
        "voids": [(v, sweep.split_of(v.cell).where) for v in sweep.voids],
        "missing": missing[:_MISSING_SHOWN],
        "missing_more": max(0, len(missing) - _MISSING_SHOWN),
        "devices": [(d, words.flat(d.stamp)) for d in sweep.devices],
        "environments": [(n, at, words.flat(stamp)) for n, at, stamp in sweep.environments],
        "links": [(p, words.conditions(p.requested)) for p in sweep.networks],
        "measured_links": measured_links(sweep),
        "manifests": [(model.title, model.bundle, sweep.manifests[model.bundle]) for model in study.models],
    }


def _model(model: Model, drawn: frozenset[str]) -> dict[str, Any]:
    """A model's own figures: maps of networks, throughput by number of devices, payload by cut."""
    maps = []
    for objective in ("latency", "throughput"):
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
        "answers": [(a, *words.answer_sentences(a, group.answers[:i])) for i, a in enumerate(group.answers)],
        "verdict": _verdict(study.sweep, group.answers),
        "kinds": list(dict.fromkeys(a.point.split.kind for a in group.answers)),
        "fronts": [_front(group, front) for front in group.fronts],
        "differing": [
            name for name in ("devices", "batch", "codec") if len({getattr(cell, name) for cell in cells}) > 1
        ],
        "open": any(p.cell.load != OFFLINE for p in group.operating.points),
        "brief": [words.brief(a) for a in group.answers if a.objective in ("latency", "throughput")],
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
        return f"No answer yet: {words.why_none(sweep)}."
    text = _one_for_all(mine) or _by_objective(mine)
    return f"{text[0].upper()}{text[1:]}."


def _one_for_all(mine: Sequence[Answer]) -> str:
    """One split for every objective, where the knee is within noise of each one's best; else nothing."""
    best = {a.objective: a for a in mine}
    if "knee" not in best:
        return ""
    knee = best["knee"].point
    others: list[Goal] = [goal for goal in best if goal != "knee"]
    behind = [o for o in others if best[o].point.cell.id != knee.cell.id]
    if not all(any(p.cell.id == knee.cell.id for p in best[o].ties) for o in behind):
        return ""
    near = f" (within noise of {words.listed(_WANTED[o] for o in behind)})" if behind else ""
    if knee.split.kind == "stay":
        return f"do not split: {knee.split.sentence}{near}"
    return f"{knee.split.sentence} for every objective{near}"


def _by_objective(mine: Sequence[Answer]) -> str:
    by_split: dict[str, list[str]] = {}
    for a in mine:
        by_split.setdefault(a.point.split.sentence, []).append(_WANTED[a.objective])
    return "; ".join(f"{sentence} for {words.listed(goals)}" for sentence, goals in by_split.items())


def _breakdown_row(breakdown: Breakdown) -> dict[str, Any]:
    devices = dict.fromkeys(device for device, _ in breakdown.parts)
    return {
        "where": breakdown.result.split.where,
        "kind": breakdown.result.split.kind,
        "total_ms": breakdown.total_s * 1e3,
        "network_ms": breakdown.network_s * 1e3,
        "network_share": breakdown.network_s / breakdown.total_s,
        "hops": [
            (d, {p: s * 1e3 for (device, p), s in breakdown.parts.items() if device == d}) for d in devices
        ],
        "on_network_ms": {name: seconds * 1e3 for name, seconds in breakdown.on_network.items()},
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
        "metric": str(sweep.manifests[bundle].get("metric") or "metric"),
        "whole": rows[0].whole if rows else None,
        "worst_error": max((a.worst_error for a in rows), default=None),
        "wrong": len(wrong),
        "codecs": codec_rows(sweep, bundle),
        "rows": [(a, labels.get(a.cuts, ",".join(map(str, a.cuts))), a in wrong) for a in listed],
    }
