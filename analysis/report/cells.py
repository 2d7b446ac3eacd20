"""Every finished cell as the page's script needs it: what a click on its point shows."""

import json
from collections.abc import Mapping
from typing import Any

from analysis.data.breakdown import Breakdown, breakdown
from analysis.figures.parts import AT_SOURCE, NETWORK_SHARE, part_colours, stages_of
from analysis.report.words import milliseconds, per_second, percent
from analysis.study import Study

__all__ = ["cells_json"]


def cells_json(study: Study) -> str:
    """JSON that can stand in a script element, by cell id."""
    devices = [d.name for d in study.sweep.devices]
    cells: dict[str, dict[str, Any]] = {}
    for group in study.groups:
        breakdowns = [breakdown(r) for r in group.cells if r.trials]
        # As the figure of this group has them; a second stage of a device that it lacks comes after.
        stages = stages_of(group.breakdowns)
        stages += [stage for stage in stages_of(breakdowns) if stage not in stages]
        colours = part_colours(stages, devices)
        cells |= {b.result.cell.id: _cell(b, colours) for b in breakdowns}
    return json.dumps(cells, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def _cell(times: Breakdown, colours: Mapping[str, str]) -> dict[str, Any]:
    result = times.result
    cell = result.cell
    named = {f"{stage}: {part}": seconds for (stage, part), seconds in times.parts.items()}
    named |= {NETWORK_SHARE: times.network_s, AT_SOURCE: times.source_s}
    parts = [(name, seconds * 1e3, colours[name]) for name, seconds in named.items()]
    busy = {stage: percent(share.value or 0.0) for stage, share in result.by_stage("busy").items()}
    facts = [
        ["network", cell.network],
        ["devices", " \N{RIGHTWARDS ARROW} ".join(cell.devices)],
        ["cut points", ", ".join(map(str, cell.cuts))],
        ["depth, batch", f"{cell.depth}, {cell.batch}"],
        ["codec, load", f"{cell.codec}, {result.load}"],
        ["latency p50", milliseconds(result.latency())],
        ["throughput", per_second(result.throughput)],
        ["busy", ", ".join(f"{stage} {share}" for stage, share in busy.items())],
        ["bottleneck", ", ".join(result.bottlenecks)],
        ["trials", f"{len(result.trials)}, {sum(t.requests for t in result.trials)} requests"],
    ]
    return {"where": result.split.where, "facts": facts, "parts": [p for p in parts if p[1] > 0]}
