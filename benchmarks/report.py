"""The benchmark's results: a file, and a table of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from benchmarks.figures import FIGURES, Summary, summarize
from controller.atomic_file import write_json
from controller.console import plain_table
from controller.errors import ControllerError
from controller.results.provenance import now, stamp

__all__ = ["Report", "load_report", "make_report", "markdown", "print_report", "save_report"]


class Report(msgspec.Struct, frozen=True):
    """What `results/bench.json` holds.

    Attributes:
        figures: By key; those without a bound, such as `hop_whole_ms_64k`, too.
        machine: Versions, kernel, processor and load of the machine.
    """

    figures: dict[str, Summary]
    machine: dict[str, Any]
    taken_at: str


def make_report(
    found: Mapping[str, Sequence[float]], worker: Mapping[str, Any], load_before: float
) -> Report:
    """Sum up the rounds; `worker` is the stamp of a worker, which has more of the machine than we know."""
    facts = ("processor", "governor", "frequency_mhz", "onnxruntime", "worker_digest")
    machine = {
        **stamp("bench"),
        **{name: worker.get(name) for name in facts},
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
    }
    return Report(figures=summarize(found), machine=machine, taken_at=now())


def save_report(report: Report, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises:
        ControllerError: It cannot be written.
    """
    try:
        write_json(path, report)
    except OSError as error:
        raise ControllerError(f"{path} cannot be written ({error.strerror}); choose another --out") from error


def load_report(path: Path) -> Report:
    """Read the file.

    Raises:
        ControllerError: There is none, or it is not one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise ControllerError(f"{path} cannot be read ({error.strerror}); `make bench` writes it") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControllerError(f"{path} is not a benchmark result: {error}") from error


def _lines(report: Report) -> list[tuple[str, str, str, str, str]]:
    """Key, median, range, bound and verdict of every figure that there is."""
    medians = {key: summary.median for key, summary in report.figures.items()}
    verdicts = {True: "yes", False: "NO", None: ""}
    return [
        (
            figure.key,
            f"{summary.median:.4g}",
            f"{summary.low:.4g} to {summary.high:.4g} (n={summary.n})",
            figure.bound(medians),
            verdicts[figure.holds(medians)],
        )
        for figure in FIGURES
        if (summary := report.figures.get(figure.key)) is not None
    ]


def print_report(report: Report, console: Console) -> None:
    """Print the table."""
    table = plain_table("figure", "median", "low to high", "must be", "holds")
    for line in _lines(report):
        table.add_row(*line)
    console.print(table)
    console.print(_where(report), soft_wrap=True)


def markdown(report: Report) -> str:
    """The table for docs/benchmarks.md."""
    head = ["| figure | median | low to high | must be | holds |", "| --- | --- | --- | --- | --- |"]
    rows = [f"| `{key}` | " + " | ".join(rest) + " |" for key, *rest in _lines(report)]
    return "\n".join([*head, *rows, "", _where(report)])


def _where(report: Report) -> str:
    machine = report.machine
    return (
        f"{report.taken_at[:16]} UTC, {machine.get('processor')}, {machine.get('cores')} cores, kernel "
        f"{machine.get('kernel')}, Python {machine.get('python')}, ONNX Runtime "
        f"{machine.get('onnxruntime')}; load {machine.get('load_before')} before, "
        f"{machine.get('load_after')} after"
    )
