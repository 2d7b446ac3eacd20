"""`python -m benchmarks truth`: the known answers, through the public commands on a lab of local workers."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from benchmarks.command import QUIET_LOAD
from controller.console import output, plain_table
from controller.errors import ControllerError, LabError
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.truth import CASES, DEVICES, NULL_SIZES, Case, Compared, compare
from exporter.bundle import export_null
from worker.service.launch import WorkerProcess
from worker.wire.errors import UsageError

__all__ = ["run_truth"]

_TIMEOUT_S = 600.0
_OBJECTIVES = ("latency", "throughput")


def run_truth(*, every: bool, only: Sequence[str] = ()) -> bool:
    """Run the cases and print reported figures beside true ones.

    Args:
        every: Print all figures, not only the worst of each kind.
        only: Names of cases; all if empty.

    Returns:
        Whether every figure is as near to the truth as it must be.

    Raises:
        ControllerError: A case cannot be run.
    """
    began_s = time.monotonic()
    known = [case.name for case in CASES]
    for name in only:
        if name not in known:
            raise ControllerError(f"--only {name}: no such case; choose from {', '.join(known)}")
    if (load := os.getloadavg()[0]) > QUIET_LOAD:
        _say(f"this machine is busy (load {load:.1f}); for valid figures rerun on an idle machine")
    with tempfile.TemporaryDirectory(prefix="edgecut-truth-") as name:
        folder = Path(name)
        export_null(folder / "bundles" / "null", NULL_SIZES)
        with _lab(folder) as lab:
            compared = [(case, _run(case, folder, lab)) for case in CASES if not only or case.name in only]
    for case, figures in compared:
        _show(case, figures if every else _worst_of(figures))
    wrong = [(case, one) for case, figures in compared for one in figures if not one.holds]
    for case, one in wrong:
        print(f"wrong: {case.name}: {one.figure} of {one.cell} ({_percent(one)})")
    count = sum(len(figures) for _, figures in compared)
    print(f"{count - len(wrong)} of {count} figures hold ({time.monotonic() - began_s:.0f} s)")
    return not wrong


@contextlib.contextmanager
def _lab(folder: Path) -> Iterator[Path]:
    """A lab of local workers, and its lab file."""
    workers: dict[str, WorkerProcess] = {}
    try:
        for name, slowdown in DEVICES.items():
            options = [f"--name={name}", f"--store={folder / name}", f"--slowdown={slowdown}"]
            workers[name] = WorkerProcess(
                [*options, "--control-port=0", "--data-port=0"], folder / f"{name}.log"
            )
            try:
                workers[name].wait_ready()
            except UsageError as error:
                raise LabError(f"worker {name} did not start: {error}") from error
        devices = [
            {
                "name": name,
                "kind": "local",
                "host": "127.0.0.1",
                "control_port": worker.control_port,
                "data_port": worker.data_port,
                "shaping": "emulated",
            }
            for name, worker in workers.items()
        ]
        path = folder / "lab.json"
        path.write_text(json.dumps({"name": "truth", "devices": devices}))
        yield path
    finally:
        for worker in workers.values():
            worker.end()


def _run(case: Case, folder: Path, lab: Path) -> list[Compared]:
    """Sweep a case, and compare what `analysis` says of it."""
    _say(f"{case.name}: {case.shows}")
    own = folder / case.name
    own.mkdir()
    experiment, results = own / "experiment.yml", own / "results.sqlite"
    experiment.write_text(yaml.safe_dump(case.experiment(), sort_keys=False))
    (own / "networks.yml").write_text(yaml.safe_dump(dict(case.networks)))
    bundles = folder / "bundles"
    _call("controller", "sweep", experiment, "--lab", lab, "--bundles", bundles, "--results", results)
    _call("controller", "check", results)
    _call("analysis", "report", results, "--out", own / "report", "--figures", "")
    _call("analysis", "export", results, "--out", own / "export")
    answers = {
        objective: json.loads(_call("analysis", "best", results, "--objective", objective, "--json"))
        for objective in _OBJECTIVES
    }
    resolved = resolve(experiment, load_lab(lab), bundles_folder=bundles)
    return compare(resolved, own / "report", own / "export", answers, DEVICES)


def _call(package: str, *arguments: object) -> str:
    """Run a command as a user does; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", package, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise ControllerError(f"{package} {arguments[0]} failed: {last.removeprefix('error: ')}")
    return done.stdout


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
