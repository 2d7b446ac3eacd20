"""`python -m benchmarks truth`: the known answers, through the public commands on a lab of this machine."""

import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks.truth.awake import awake_cores
from benchmarks.truth.cases import CASES, DEVICES, NULL_SIZES, Case
from benchmarks.truth.compared import Compared
from benchmarks.truth.comparison import Reported, compare
from benchmarks.truth.graph import GRAPH, GraphTruth
from benchmarks.truth.labs import LabName, TruthLab, call, open_lab
from benchmarks.truth.witness import Witness
from controller.console import plain_table, say, show, show_table
from controller.errors import ControllerError
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from exporter.bundle import NULL, export_null

__all__ = ["Judged", "run_truth"]

_ATTEMPTS: Final = 3
_QUICK_S: Final = 300.0
_FULL_S: Final = 900.0
_LAST_REPEAT: Final = 0.6
"""No case is repeated after this share of the time."""


def run_truth(*, full: bool, every: bool, only: Sequence[str] = (), lab_name: LabName = "local") -> bool:
    """Run the cases and print reported figures beside true ones.

    Args:
        full: Run all cases, not only the quick ones.
        every: Print all figures, not only the worst of each kind.
        only: Names of the cases to run.
        lab_name: The lab that is made for the cases.

    Returns:
        Whether no figure is wrong. One that a busy machine may have moved is not.

    Raises:
        ControllerError: A case cannot be run.
    """
    began_s = time.monotonic()
    cases = _chosen(full=full, only=only, lab_name=lab_name)
    last_repeat_s = began_s + _LAST_REPEAT * (_FULL_S if full or only else _QUICK_S)
    judged = []
    with tempfile.TemporaryDirectory(prefix="edgecut-truth-") as name, open_lab(lab_name, Path(name)) as lab:
        export_null(Path(name) / "bundles" / NULL, NULL_SIZES)
        for case in cases:
            judged.append(_judged(case, Path(name), lab, last_repeat_s))
            _show(judged[-1], every=every)
    return _sum_up(judged, time.monotonic() - began_s)


def _chosen(*, full: bool, only: Sequence[str], lab_name: LabName) -> list[Case]:
    cases = {case.name: case for case in (*CASES, GRAPH) if lab_name in case.labs}
    for name in only:
        if name not in cases:
            raise ControllerError(f"--only {name}: no such case; choose from {', '.join(cases)}")
    return [case for name, case in cases.items() if (name in only if only else full or case.is_quick)]


@dataclass
class Judged:
    """The figures of a case, each of the attempt in which it was nearest to its truth."""

    case: Case
    figures: dict[tuple[str, str], Compared] = field(default_factory=dict)
    moved: set[tuple[str, str]] = field(default_factory=set)
    delay_s: float = 0.0

    def add(self, figures: Iterable[Compared], delay_s: float) -> None:
        """Add an attempt.

        Args:
            delay_s: How late threads had their turn meanwhile.
        """
        self.delay_s = max(self.delay_s, delay_s)
        for one in figures:
            key = one.cell, one.figure
            if one.holds_on(delay_s):
                self.moved.add(key)
            before = self.figures.get(key)
            if before is None or abs(one.error) / one.allowed < abs(before.error) / before.allowed:
                self.figures[key] = one

    @property
    def off(self) -> list[Compared]:
        """Figures that do not hold."""
        return [one for one in self.figures.values() if not one.holds]

    @property
    def wrong(self) -> list[Compared]:
        """Those of them that no attempt on a busy machine explains."""
        return [one for one in self.off if (one.cell, one.figure) not in self.moved]

    @property
    def disturbed(self) -> list[Compared]:
        """Those that one does."""
        return [one for one in self.off if (one.cell, one.figure) in self.moved]


def _judged(case: Case, folder: Path, lab: TruthLab, last_repeat_s: float) -> Judged:
    """Run a case, and run it again as long as figures are off: a wrong one is off each time."""
    judged = Judged(case)
    for attempt in range(1, _ATTEMPTS + 1):
        say(
            f"{case.name}: {case.shows}"
            if attempt == 1
            else f"{case.name}, again, for {len(judged.off)} of {len(judged.figures)} figures"
        )
        judged.add(*_attempt(case, attempt, folder, lab))
        if not judged.off or time.monotonic() > last_repeat_s:
            break
    return judged


def _attempt(case: Case, attempt: int, folder: Path, lab: TruthLab) -> tuple[list[Compared], float]:
    """Sweep a case, and compare what `analysis` says of it; with how late threads had their turn."""
    own = folder / f"{case.name}-{attempt}"
    own.mkdir()
    experiment, results, bundles = own / "experiment.yml", own / "results.sqlite", folder / "bundles"
    experiment.write_text(yaml.safe_dump(case.experiment(lab.names, seed=attempt), sort_keys=False))
    (own / "networks.yml").write_text(yaml.safe_dump(dict(case.networks)))
    graph = GraphTruth(own, bundles) if case is GRAPH else None
    with awake_cores() as idlers, Witness(idlers) as witness:
        if graph:
            graph.time()
        lab.sweep(experiment, bundles, results)
        if graph:
            graph.time()
    call("controller", "check", results)
    call("analysis", "report", results, "--out", own / "report", "--figures", "")
    call("analysis", "export", results, "--out", own / "export")
    resolved = resolve(experiment, load_lab(lab.file), bundles_folder=bundles)
    reported = Reported.read(own / "report", own / "export")
    if graph:
        return graph.compare(resolved, reported), witness.delay_s
    slowdowns = {lab.names[name]: slowdown for name, slowdown in DEVICES.items()}
    return compare(resolved, reported, slowdowns, lab.burst_bytes(results)), witness.delay_s


def _show(judged: Judged, *, every: bool) -> None:
    case, figures = judged.case, list(judged.figures.values())
    busy = f" (a busy machine: threads {1e3 * judged.delay_s:.1f} ms late)" if judged.delay_s else ""
    title = f"{case.name}: {case.shows}{busy}"
    table = plain_table("figure", "of", "reported", "true", "error", title=title)
    for one in figures if every else _worst_of(figures):
        table.add_row(one.figure, one.cell, _value(one.reported), _value(one.true), _percent(one))
    show_table(table)


def _worst_of(figures: Sequence[Compared]) -> list[Compared]:
    """The worst of each kind of figure."""
    worst: dict[str, Compared] = {}
    for one in figures:
        kind = one.figure.partition(" of ")[0]
        if kind not in worst or abs(one.error) > abs(worst[kind].error):
            worst[kind] = one
    return list(worst.values())


def _sum_up(judged: Sequence[Judged], took_s: float) -> bool:
    """Print what is off, and whose fault that is; returns whether nothing is wrong."""
    for one in judged:
        for figure in one.disturbed:
            show(f"disturbed: {one.case.name}: {figure.figure} of {figure.cell} ({_percent(figure)})")
    for one in judged:
        for figure in one.wrong:
            show(f"wrong: {one.case.name}: {figure.figure} of {figure.cell} ({_percent(figure)})")
    count = sum(len(one.figures) for one in judged)
    off, wrong = (
        sum(len(of) for of in each) for each in ([j.off for j in judged], [j.wrong for j in judged])
    )
    show(f"{count - off} of {count} figures hold ({took_s:.0f} s)")
    if off > wrong:
        late_ms = 1e3 * max(one.delay_s for one in judged)
        show(
            f"{off - wrong} cannot be judged: this machine was busy with other work, and threads had their "
            f"turn {late_ms:.1f} ms late; rerun on an idle machine"
        )
    return not wrong


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _percent(one: Compared) -> str:
    if isinstance(one.true, str):
        return "right" if one.holds else f"not {one.true}"
    if one.reported is None:
        return "unknown" if one.holds else "missing"
    return f"{one.error:+.2%}"
