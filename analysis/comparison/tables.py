"""A comparison as `compare.csv`, and as lines for a terminal."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.comparison.differences import Comparison, Difference, Dominated, Overall
from analysis.data.sweep import Sweep
from analysis.report.words import figure, percent, plain
from analysis.statistics.objectives import OBJECTIVES, Objective
from analysis.tables.cells import cell_columns

__all__ = ["COMPARE_COLUMNS", "box_of", "compare_table", "matched_by_position", "summary_lines"]

_SHOWN = 20
_OVERALL = ("over all cells", "network", "B / A", "better", "worse", "tie", "unknown")
_MOVED = ("best for", "network", "in A", "in B", "")
_HYPERVOLUME = ("hypervolume", "network", "A", "B", "share of the box")
_LARGEST = ("largest differences", "network", "depth", "figure", "A", "B", "B / A", "B is")
COMPARE_COLUMNS = (
    *("model", "bundle_name", "bundle", "network_a", "network_b", "where", "cuts", "devices"),
    *("depth", "batch", "codec", "topology", "threads", "backend", "load"),
    *("objective", "a", "a_low", "a_high", "trials_a", "b", "b_low", "b_high", "trials_b"),
    *("factor", "factor_low", "factor_high", "interval", "p_adjusted", "verdict", "cell_a", "cell_b"),
)


def compare_table(comparison: Comparison) -> pd.DataFrame:
    """A row for each figure of each cell that both sides have."""
    return pd.DataFrame(
        [_row(d, comparison.a.sweep) for d in comparison.differences], columns=list(COMPARE_COLUMNS)
    )


def _row(d: Difference, sweep: Sweep) -> dict[str, Any]:
    return {
        **cell_columns(d.cell_a, sweep.title(d.cell_a.cell.bundle)),
        "network_a": d.cell_a.cell.network,
        "network_b": d.cell_b.cell.network,
        "objective": d.objective,
        **d.a.bounds("a"),
        "trials_a": d.a.trials,
        **d.b.bounds("b"),
        "trials_b": d.b.trials,
        **d.factor.bounds("factor"),
        "interval": d.factor.kind,
        "p_adjusted": d.p_adjusted,
        "verdict": d.verdict,
        "cell_a": d.cell_a.cell.id,
        "cell_b": d.cell_b.cell.id,
    }


def matched_by_position(comparison: Comparison) -> list[str]:
    """A sentence where devices of the two labs have other names, else none."""
    pairs = [f"{name} in A is {its} in B" for its, name in comparison.b.known_as.items()]
    return [f"Devices are matched by their position in the lab: {', '.join(pairs)}."] if pairs else []


def summary_lines(comparison: Comparison) -> list[str]:
    """A comparison for a terminal: over all cells, how the answers moved, the largest differences."""
    sweep = comparison.a.sweep
    lines = [f"A: {comparison.a.name}", f"B: {comparison.b.name}", *matched_by_position(comparison), ""]
    lines += _aligned([_OVERALL, *(_overall(o, sweep) for o in comparison.overall)])
    if comparison.moved:
        lines += ["", *_aligned([_MOVED, *_moved(comparison)])]
    rows = [
        (sweep.title(d.bundle), _networks(*d.networks), plain(d.a), plain(d.b), box_of(d))
        for d in comparison.dominated
    ]
    lines += ["", *_aligned([_HYPERVOLUME, *rows])]
    beyond = [d for d in comparison.differences if d.verdict in ("better", "worse")]
    if beyond:
        shown = sorted(beyond, key=lambda d: -abs(math.log(d.factor.value or 1)))[:_SHOWN]
        lines += ["", *_aligned([_LARGEST, *(_difference(d, sweep) for d in shown)])]
        lines += [f"and {len(beyond) - _SHOWN} more beyond noise"] if len(beyond) > _SHOWN else []
    else:
        lines += ["", "No difference beyond noise."]
    return lines


def box_of(dominated: Dominated) -> str:
    """Which box both hypervolumes are shares of, or why there is none."""
    box = dominated.box
    if box is None:
        return "none: A lacks an end or a baseline"
    return f"of A: {figure(box.latency_s * 1e3)} ms, {figure(box.sample_s * 1e3)} ms a sample"


def _overall(o: Overall, sweep: Sweep) -> tuple[str, ...]:
    counts = (str(o.counts[v]) for v in ("better", "worse", "tie", "unknown"))
    return (OBJECTIVES[o.objective].words, _place(o.networks, o.bundle, sweep), plain(o.factor), *counts)


def _moved(comparison: Comparison) -> list[tuple[str, ...]]:
    rows = []
    for m in comparison.moved:
        sides = (_sure(answer.point.split.where, answer.probability) for answer in (m.a, m.b))
        place = _place((m.a.network.name, m.b.network.name), m.a.bundle, comparison.a.sweep)
        rows.append((m.a.objective, place, *sides, m.word))
    return rows


def _sure(where: str, probability: float | None) -> str:
    return where if probability is None else f"{where} ({percent(probability)})"


def _difference(d: Difference, sweep: Sweep) -> tuple[str, ...]:
    cell, names = d.cell_a.cell, (d.cell_a.cell.network, d.cell_b.cell.network)
    values = (_value(d.objective, e.value) for e in (d.a, d.b))
    where = f"{d.cell_a.split.where} ({sweep.title(cell.bundle)})"
    words = OBJECTIVES[d.objective].words
    return (where, _networks(*names), str(cell.depth), words, *values, plain(d.factor), d.verdict)


def _value(objective: Objective, value: float | None) -> str:
    meaning = OBJECTIVES[objective]
    return "null" if value is None else f"{figure(value * meaning.factor)} {meaning.unit}"


def _place(networks: tuple[str, str], bundle: str, sweep: Sweep) -> str:
    """The networks, and the bundle where the sweep has several."""
    named = _networks(*networks)
    return f"{named}, {sweep.title(bundle)}" if len(sweep.manifests) > 1 else named


def _networks(a: str, b: str) -> str:
    return a if a == b else f"{a} | {b}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(w) for text, w in zip(row, widths, strict=True)).rstrip() for row in rows]
