"""A comparison written to a folder, whole or not at all: `compare.html`, its table, `figures/`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from analysis.comparison.differences import Comparison, Difference
from analysis.comparison.pairs import Side
from analysis.comparison.tables import box_of, compare_table, matched_by_position
from analysis.figures import FORMATS, Figure, exporting
from analysis.figures.base import distinct_names, quickly
from analysis.figures.differences import factors_figure
from analysis.output import written_whole
from analysis.report.page import fill
from analysis.report.words import figure, flat, plain
from analysis.statistics.objectives import OBJECTIVES
from analysis.study import distinct_stem
from controller.results import TIMED

__all__ = ["environment_differences", "write_comparison"]

_MOST_ROWS = 60
# Of the moment, not of the device.
_PASSING = ("qdisc", "frequency_mhz", "temperature_c")


def write_comparison(comparison: Comparison, out: Path, formats: Sequence[str] = FORMATS) -> Path:
    """Write the page, the table and the figures to `out`; where the page is.

    Raises:
        OutputError: `out` cannot be made or written.
    """
    groups = _groups(comparison)
    figures = {name: _figure(members) for name, members in groups.items()}
    with written_whole(out, ".compare-") as draft, exporting(figures, draft / "figures", formats):
        compare_table(comparison).to_csv(draft / "compare.csv", index=False)
        page = fill("compare.html.j2", figures, **_context(comparison, groups))
        (draft / "compare.html").write_text(page, encoding="utf-8")
    return out / "compare.html"


def _groups(comparison: Comparison) -> dict[str, list[Difference]]:
    """By figure name: latency of the shallowest cells, throughput of the deepest, as fronts take them."""
    groups: dict[str, list[Difference]] = {}
    taken: set[str] = set()
    for overall in comparison.overall:
        if overall.objective not in TIMED:
            continue
        mine = [
            d
            for d in comparison.differences
            if d.objective == overall.objective
            and d.cell_a.cell.bundle == overall.bundle
            and (d.cell_a.cell.network, d.cell_b.cell.network) == overall.networks
        ]
        depths = [d.cell_a.cell.depth for d in mine]
        depth = min(depths) if overall.objective == "latency" else max(depths)
        a, b = overall.networks
        model = comparison.a.sweep.title(overall.bundle)
        name = distinct_stem(taken, "compare", model, a if a == b else f"{a}-{b}", overall.objective)
        groups[name] = [d for d in mine if d.cell_a.cell.depth == depth]
    return groups


def _figure(differences: Sequence[Difference]) -> Figure:
    shown = sorted(
        differences, key=lambda d: (d.cell_a.cell.devices, d.cell_a.cell.cuts, d.cell_a.cell.batch)
    )
    if len(shown) > _MOST_ROWS:
        # What changed least is left out: the table has it.
        keep = sorted(shown, key=lambda d: -abs((d.factor.value or 1) - 1))[:_MOST_ROWS]
        shown = [d for d in shown if d in keep]
    rows = [
        {
            "name": name,
            "factor": d.factor.value,
            "low": d.factor.low or d.factor.value,
            "high": d.factor.high or d.factor.value,
            "verdict": d.verdict,
            "a": plain(d.a, OBJECTIVES[d.objective].factor),
            "b": plain(d.b, OBJECTIVES[d.objective].factor),
        }
        for d, name in zip(shown, distinct_names([d.cell_a for d in shown]), strict=True)
    ]
    meaning = OBJECTIVES[shown[0].objective]
    title = f"{meaning.words}, B / A ({'more' if meaning.maximise else 'less'} is better)"
    return quickly(partial(factors_figure, rows, title))


def _context(comparison: Comparison, groups: dict[str, list[Difference]]) -> dict[str, object]:
    beyond = [d for d in comparison.differences if d.verdict in ("better", "worse")]
    return {
        "title": f"{comparison.a.name} against {comparison.b.name}",
        "comparison": comparison,
        "matched": matched_by_position(comparison),
        "environment_differences": environment_differences(comparison.a, comparison.b),
        "dominated": [(comparison.a.sweep.title(d.bundle), d, box_of(d)) for d in comparison.dominated],
        "objectives": OBJECTIVES,
        "groups": [(name, members[0], len(members)) for name, members in groups.items()],
        "beyond": beyond,
        "cells": len({d.cell_a.cell.id for d in comparison.differences}),
        "verdict": _verdict(comparison),
        "trials": min(min(d.a.trials, d.b.trials) for d in comparison.differences),
    }


def _verdict(comparison: Comparison) -> list[str]:
    """The comparison in as few sentences as are true, one for each figure and pair of networks."""
    sentences = []
    for o in comparison.overall:
        if o.factor.value is None:
            continue
        meaning, (a, b) = OBJECTIVES[o.objective], o.networks
        where = f" under {a}" if a == b else f" ({a} against {b})"
        low, high = o.factor.low, o.factor.high
        if low is None or high is None:
            change = f"is {figure(o.factor.value)} times that of A (no interval: some cells have one trial)"
        elif low == high == 1:
            change = "is that of A"
        elif low <= 1 <= high:
            change = f"is within noise of A's ({figure(low)} to {figure(high)} times)"
        else:
            change = f"is {figure(o.factor.value)} times that of A ({figure(low)} to {figure(high)})"
        sentences.append(f"{meaning.words[0].upper()}{meaning.words[1:]} of B{where} {change}.")
    return sentences


def environment_differences(a: Side, b: Side) -> list[tuple[str, str, str]]:
    """Devices, versions and settings that differ: name, on `a`, on `b`; `-` where one does not state it."""
    one, other = _stated(a), _stated(b)
    return [
        (key, one.get(key, "-"), other.get(key, "-"))
        for key in dict.fromkeys([*one, *other])
        if one.get(key) != other.get(key)
    ]


def _stated(side: Side) -> dict[str, str]:
    stated = {"experiment": side.sweep.experiment["name"], "trials": side.sweep.wanted.text}
    stated["objectives"] = ", ".join(side.sweep.objectives)
    if side.network is not None:
        network = next(p for p in side.sweep.networks if p.name == side.network)
        stated |= {f"network.{k}": v for k, v in flat({"shaping": network.shaping, **network.requested})}
    if side.sweep.environments:
        stated |= dict(flat(side.sweep.environments[-1][2], "controller."))
    seen: dict[str, dict[str, None]] = {}
    for device in side.sweep.devices:
        name = side.known_as.get(device.name, device.name)
        stated |= {f"{name}.name": device.name, f"{name}.kind": device.kind}
        stated[f"{name}.slowdown"] = f"{device.slowdown:g}"
        for description in side.sweep.found.descriptions(device.name):
            for key, value in flat(description.device.stamp, f"{name}."):
                # One that changed during the sweep has several.
                seen.setdefault(key, {})[value] = None
    stated |= {key: " then ".join(values) for key, values in seen.items()}
    return {key: v for key, v in stated.items() if key.rpartition(".")[2] not in _PASSING}
