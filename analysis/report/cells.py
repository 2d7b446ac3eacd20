"""Every finished cell as the page's script needs it: what a click on its point shows."""

import json
from typing import Any

from analysis.figures.parts import breakdown
from analysis.figures.theme import DEVICES, NETWORK, SOURCE, shade
from analysis.report.words import milliseconds, per_second, percent
from analysis.results import CellResult, Sweep

__all__ = ["cells_json"]

_LIGHTER = {"wait": 0.75, "codec": 0.5, "compute": 0.0}


def cells_json(sweep: Sweep) -> str:
    """JSON that can stand in a script element, by cell id."""
    told = {r.cell.id: _cell(r) for r in sweep.cells if r.trials}
    return json.dumps(told, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def _cell(result: CellResult) -> dict[str, Any]:
    cell, found = result.cell, breakdown(result)
    stages = list(dict.fromkeys(stage for stage, _ in found.parts))
    parts: list[tuple[str, float, str]] = []
    for (stage, part), seconds in found.parts.items():
        base = DEVICES[stages.index(stage) % len(DEVICES)]
        parts.append((f"{stage}: {part}", seconds * 1e3, shade(base, _LIGHTER[part])))
    parts += [("network share", found.network_s * 1e3, NETWORK), ("source", found.source_s * 1e3, SOURCE)]
    busy = {stage: percent(share.value or 0.0) for stage, share in result.busy().items()}
    facts = [
        ["network", cell.profile],
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
