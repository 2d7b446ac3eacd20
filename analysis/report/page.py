"""Fill the templates of the report's page and of a comparison's."""

import functools
import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup, escape

from analysis.data.breakdown import Breakdown, breakdown
from analysis.data.predictions import errors_of
from analysis.data.sweep import OFFLINE, Sweep
from analysis.figures import VEGA_LITE, Figure
from analysis.figures.conditions import placed
from analysis.figures.front import divided
from analysis.figures.parts import AT_SOURCE, NETWORK_SHARE, part_colours, stages_of
from analysis.figures.selection import prediction_groups
from analysis.fronts.fronts import Front
from analysis.report import words
from analysis.report.concerns import concerns, disagreements, missing_cells
from analysis.report.disclosure import measured_on
from analysis.report.packing import packed_cards, packed_figures
from analysis.report.summary import HEADS, summary_rows, unreachable
from analysis.report.tables import change_rows, codec_rows
from analysis.statistics.estimates import Estimate
from analysis.study import Group, Model, Study
from controller.results import TIMED, DeviceRow, MeasuredLink

__all__ = ["cards", "fill", "render"]

_MOST_ROWS = 12
"""Rows of a table on the page; the table's file has all."""


def render(study: Study, figures: Mapping[str, Figure]) -> str:
    """The whole report."""
    return fill(
        "report.html.j2",
        figures,
        **_context(study, frozenset(figures)),
        cells_json=_script_json(packed_cards(cards(study))),
    )


def fill(template: str, figures: Mapping[str, Figure], **context: Any) -> str:
    """A page from its template, self-contained: styles, data and the drawing code are in it."""
    templates = files("analysis") / "templates"
    page = _environment().get_template(template)
    return page.render(
        style=(templates / "report.css").read_text(encoding="utf-8"),
        script="".join((templates / name).read_text(encoding="utf-8") for name in ("cards.js", "charts.js")),
        library=_library(),
        charts=_script_json(packed_figures(figures)),
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
        "marked": _marked,
    }
    return environment


def _marked(text: str) -> Markup:
    """A sentence whose `commands` are code."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(text))))


@functools.cache
def _library() -> str:
    """The code that draws the figures in a browser: vega, vega-lite and vega-embed, 0.9 MB.

    Bundling takes 100 MB, which only the end of its process gives back.
    """
    code = (
        "import sys, vl_convert\n"
        f"bundle = vl_convert.javascript_bundle('window.vegaEmbed = vegaEmbed;', {VEGA_LITE!r})\n"
        "sys.stdout.buffer.write(bundle.encode())"
    )
    made = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    return made.stdout.decode()


def _script_json(value: Any) -> str:
    """JSON that can stand in a script element: no `</script` ends it, and no `<!--` begins a comment."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def cards(study: Study) -> dict[str, dict[str, Any]]:
    """Every finished cell by id: what a click on its point shows."""
    devices = [d.name for d in study.sweep.devices]
    told: dict[str, dict[str, Any]] = {}
    for group in study.groups:
        breakdowns = [breakdown(r) for r in group.cells if r.trials]
        # As the figure of this group has them; a second stage of a device that it lacks comes after.
        stages = stages_of(group.breakdowns)
        stages += [stage for stage in stages_of(breakdowns) if stage not in stages]
        colours = part_colours(stages, devices)
        told |= {b.result.cell.id: _cell(b, colours) for b in breakdowns}
    return told


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
    models = [_model(model, drawn) for model in study.models]
    predictions = _predictions(study)
    return {
        "title": f"Where to cut {_subject(study)}",
        "experiment": sweep.experiment,
        "results": sweep.path.name,
        "finished": sweep.finished,
        "missing_trials": sweep.missing,
        "wanted": sweep.wanted,
        "cells": len(sweep.cells),
        "measured_on": measured_on(sweep),
        "concerns": concerns(sweep, study.answers),
        "seed": sweep.seed,
        "numbered": any("@" in c.split.where for c in sweep.cells),
        "interval": words.interval(sweep.wanted),
        "heads": HEADS,
        "rows": summary_rows(study),
        "first_device": _first_device(study),
        "unreachable": unreachable(study),
        "contents": _contents(study, models, drawn, has_predictions=bool(predictions)),
        "groups": [_group(group) for group in study.groups],
        "drawn": drawn,
        "models": models,
        "choices": _choices(study),
        "predictions": predictions,
        "accuracies": [_accuracy(sweep, bundle) for bundle in sweep.manifests],
        "drifts": _drifts(sweep),
        "voids": _first_rows([(v, sweep.split_of(v.cell).where) for v in sweep.voids]),
        "missing": _first_rows(missing_cells(sweep)),
        "changes": change_rows(sweep),
        "descriptions": [(title, words.flat(d.stamp)) for title, d in _descriptions(sweep)],
        "environments": [(n, at, words.flat(stamp)) for n, at, stamp in sweep.environments],
        "measured_links": _measured_links(sweep),
        "manifests": [(model.title, model.bundle, sweep.manifests[model.bundle]) for model in study.models],
    }


def _subject(study: Study) -> str:
    """`mobilenet_v2 (small and large) and resnet18`: the models, with the bundles of one that has several."""
    titles: dict[str, list[str]] = {}
    for model in study.models:
        name = str(study.sweep.manifests[model.bundle].get("model", model.title))
        titles.setdefault(name, []).append(model.title)
    return words.listed(
        f"{name} ({words.listed(of_model)})" if len(of_model) > 1 else name
        for name, of_model in titles.items()
    )


def _first_rows(rows: Sequence[Any]) -> dict[str, Any]:
    return {"shown": rows[:_MOST_ROWS], "more": max(0, len(rows) - _MOST_ROWS)}


def _first_device(study: Study) -> str:
    """What "alone" is said of: the first device of every chain; nothing where chains begin on several."""
    firsts = {r.cell.devices[0] for r in study.sweep.cells}
    return firsts.pop() if len(firsts) == 1 else ""


def _contents(
    study: Study, models: Sequence[Mapping[str, Any]], drawn: frozenset[str], *, has_predictions: bool
) -> list[tuple[str, str]]:
    """Anchor and text of the page's sections."""
    several = len(models) > 1
    networks = [
        (g.anchor, f"{g.network.name}, {g.title}" if several else g.network.name) for g in study.groups
    ]
    maps = [
        (m["anchor"], f"all networks, {m['title']}" if several else "all networks")
        for m in models
        if m["maps"] or m["devices"]
    ]
    rest = [
        ("predictions", "predictions", has_predictions),
        ("payload", "what crosses the cut", True),
        ("accuracy", "accuracy", True),
        ("trust", "drift and voids", True),
        ("telemetry", "devices over time", "telemetry" in drawn),
        ("environment", "environment", True),
        ("method", "method", True),
    ]
    return [
        ("reading", "how to read"),
        *networks,
        *maps,
        *((anchor, text) for anchor, text, exists in rest if exists),
    ]


def _drifts(sweep: Sweep) -> dict[str, Any]:
    """What the sentinels saw: the largest change, and those that are flagged."""
    all_ = sweep.drifts
    flagged = sorted((d for d in all_ if d.change.flagged), key=lambda d: -abs(d.change.value))
    text = ""
    if all_:
        most = max(all_, key=lambda d: abs(d.change.value))
        text = (
            f"{len(flagged)} of {len(all_)} sentinels drifted. The largest change: {most.what} under "
            f"{most.sentinel.network}, {most.change.value:+.1%} against the network's first block "
            f"(noise {most.change.noise:.1%})."
        )
    shown = _first_rows(flagged)
    return {"known": bool(all_), "text": text, "flagged": shown["shown"], "more": shown["more"]}


def _model(model: Model, drawn: frozenset[str]) -> dict[str, Any]:
    """A model's own figures: maps of networks, throughput by number of devices, payload by cut."""
    maps = []
    for objective in TIMED:
        unplaced = [a.network.name for a in model.answers(objective) if placed(a) is None]
        maps.append((objective, f"{model.anchor}-networks-{objective}", unplaced))
    devices = f"{model.anchor}-devices"
    return {
        "title": model.title,
        "anchor": f"{model.anchor}-all",
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


def _group(group: Group) -> dict[str, Any]:
    cells = [p.cell for front in group.fronts for p in front.points]
    return {
        "anchor": group.anchor,
        "title": group.network.name,
        "model": group.title,
        "conditions": words.network_words(group.network),
        "description": group.network.requested.get("description", ""),
        "answers": [words.answer_sentences(a) for a in group.answers],
        "knee": words.answer_sentences(group.knee, group.answers) if group.knee else None,
        "fronts": [_front(group, front) for front in group.fronts],
        "differing": [
            head
            for head in ("devices", "n|batch", "codec")
            if len({getattr(cell, head.removeprefix("n|")) for cell in cells}) > 1
        ],
        "open": any(p.cell.load != OFFLINE for p in group.operating.points),
        "busy": bool(group.deepest),
        "timeline": group.timeline,
        "breakdowns": bool(group.breakdowns),
    }


def _front(group: Group, front: Front) -> dict[str, Any]:
    return {
        "name": front.name,
        "figure": f"{group.anchor}-{front.name}",
        "drawn": front.drawable,
        "points": front.members[:_MOST_ROWS],
        "more": max(0, len(front.members) - _MOST_ROWS),
        "outside": [
            f"{b.name} ({words.figure(latency_s * 1e3)} ms, {words.figure(b.throughput.value)} samples/s)"
            for b in divided(front.points, group.baselines)[1]
            if (latency_s := b.latency.value) is not None
        ],
        "hypervolume": front.hypervolume,
        "lucky": _lies_off(front.hypervolume),
        "objectives": front.objectives,
    }


def _lies_off(figure: Estimate) -> bool:
    """Whether a figure is not within its own interval."""
    if figure.value is None or figure.low is None or figure.high is None:
        return False
    return not figure.low <= figure.value <= figure.high


def _accuracy(sweep: Sweep, bundle: str) -> dict[str, Any]:
    """How many splits of a bundle agree with the whole graph, and those that do not."""
    rows = [a for a in sweep.accuracies if a.bundle == bundle]
    wrong = [a for a in disagreements(sweep) if a.bundle == bundle]
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
        "rows": [(a, labels.get(a.cuts, ",".join(map(str, a.cuts)))) for a in wrong[:_MOST_ROWS]],
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
    """Rows for each network whose links were measured, in the experiment's order, others after.

    A row is a direction of a link. Each figure is in words, `-` where nothing was requested or measured.
    """
    names = dict.fromkeys([*(p.name for p in sweep.networks), *sorted(k.network for k in sweep.links)])
    links = {name: [k for k in sweep.links if k.network == name] for name in names}
    return [{"network": name, "rows": [_link_row(k) for k in mine]} for name, mine in links.items() if mine]


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
