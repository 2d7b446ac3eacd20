"""`python -m benchmarks truth`: the known answers, through the public commands on a lab of this machine."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.command import QUIET_LOAD
from benchmarks.truth_labs import LabName, TruthLab, call, open_lab
from controller.console import output, plain_table
from controller.errors import ControllerError
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.truth import CASES, DEVICES, NULL_SIZES, Case, Compared, compare
from exporter.bundle import export_null

__all__ = ["run_truth"]

_OBJECTIVES = ("latency", "throughput")


def run_truth(*, every: bool, only: Sequence[str] = (), lab_name: LabName = "local") -> bool:
    """Run the cases and print reported figures beside true ones.

    Args:
        every: Print all figures, not only the worst of each kind.
        only: Names of cases; all that the lab can run if empty.
        lab_name: The lab that is made for the cases.

    Returns:
        Whether every figure is as near to the truth as it must be.

    Raises:
        ControllerError: A case cannot be run.
    """
    began_s = time.monotonic()
    cases = {case.name: case for case in CASES if lab_name in case.labs}
    for name in only:
        if name not in cases:
            raise ControllerError(f"--only {name}: no such case; choose from {', '.join(cases)}")
    if (load := os.getloadavg()[0]) > QUIET_LOAD:
        _say(f"this machine is busy (load {load:.1f}); for valid figures rerun on an idle machine")
    with tempfile.TemporaryDirectory(prefix="edgecut-truth-") as name:
        folder = Path(name)
        export_null(folder / "bundles" / "null", NULL_SIZES)
        with open_lab(lab_name, folder) as lab:
            compared = [
                (case, _run(case, folder, lab)) for name, case in cases.items() if name in (only or cases)
            ]
    for case, figures in compared:
        _show(case, figures if every else _worst_of(figures))
    wrong = [(case, one) for case, figures in compared for one in figures if not one.holds]
    for case, one in wrong:
        print(f"wrong: {case.name}: {one.figure} of {one.cell} ({_percent(one)})")
    count = sum(len(figures) for _, figures in compared)
    print(f"{count - len(wrong)} of {count} figures hold ({time.monotonic() - began_s:.0f} s)")
    return not wrong


def _run(case: Case, folder: Path, lab: TruthLab) -> list[Compared]:
    """Sweep a case, and compare what `analysis` says of it."""
    _say(f"{case.name}: {case.shows}")
    own = folder / case.name
    own.mkdir()
    experiment, results = own / "experiment.yml", own / "results.sqlite"
    experiment.write_text(yaml.safe_dump(case.experiment(lab.names), sort_keys=False))
    (own / "networks.yml").write_text(yaml.safe_dump(dict(case.networks)))
    bundles = folder / "bundles"
    lab.sweep(experiment, bundles, results)
    call("controller", "check", results)
    call("analysis", "report", results, "--out", own / "report", "--figures", "")
    call("analysis", "export", results, "--out", own / "export")
    answers = {
        objective: json.loads(call("analysis", "best", results, "--objective", objective, "--json"))
        for objective in _OBJECTIVES
    }
    return compare(
        resolve(experiment, load_lab(lab.file), bundles_folder=bundles),
        own / "report",
        own / "export",
        answers,
        {lab.names[name]: slowdown for name, slowdown in DEVICES.items()},
        lab.burst_bytes(results),
    )


def _worst_of(figures: Sequence[Compared]) -> list[Compared]:
    """The worst of each kind of figure."""
    worst: dict[str, Compared] = {}
    for one in figures:
        if one.figure not in worst or abs(one.error) > abs(worst[one.figure].error):
            worst[one.figure] = one
    return list(worst.values())


def _show(case: Case, figures: Sequence[Compared]) -> None:
    table = plain_table("figure", "of", "reported", "true", "error", title=f"{case.name}: {case.shows}")
    for one in figures:
        table.add_row(one.figure, one.cell, _value(one.reported), _value(one.true), _percent(one))
    output().print(table)


def _value(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _percent(one: Compared) -> str:
    if isinstance(one.true, str):
        return "right" if one.holds else f"not {one.true}"
    return "missing" if one.reported is None else f"{one.error:+.2%}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
