"""The benchmark's results file, and its table."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.figures import FIGURES, Figure, Summary, figure_rows, summarize
from controller.atomic_file import write_json
from controller.console import plain_table, show, show_table
from controller.errors import ControllerError
from controller.results.provenance import now, stamp

__all__ = [
    "Report",
    "load_report",
    "machine_stamp",
    "make_report",
    "markdown",
    "print_figures",
    "print_report",
    "save_report",
]


class Report(msgspec.Struct, frozen=True):
    """The content of `results/bench.json`.

    Attributes:
        figures: By key, including keys outside the table, such as `hop_whole_ms_64k`.
        machine: Versions, kernel, processor and load of the machine.
    """

    figures: dict[str, Summary]
    machine: dict[str, Any]
    taken_at: str


def machine_stamp(name: str, load_before: float) -> dict[str, Any]:
    """Versions, and the machine's load before and after the benchmark `name`."""
    load = {"load_before": round(load_before, 2), "load_after": round(os.getloadavg()[0], 2)}
    return {**stamp(name), **load}


def make_report(
    values: Mapping[str, Sequence[float]], worker: Mapping[str, Any], load_before: float
) -> Report:
    """Summarize the rounds; `worker` is a worker's stamp, which has more facts about the machine."""
    facts = ("processor", "governor", "frequency_mhz", "onnxruntime", "worker_digest")
    machine = machine_stamp("bench", load_before) | {name: worker.get(name) for name in facts}
    return Report(figures=summarize(values), machine=machine, taken_at=now())


def save_report(report: msgspec.Struct, path: Path) -> None:
    """Replace the results file atomically.

    Raises:
        ControllerError: It cannot be written.
    """
    try:
        write_json(path, report)
    except OSError as error:
        raise ControllerError(f"{path} cannot be written ({error.strerror}); choose another --out") from error


def load_report(path: Path) -> Report:
    """Read a results file.

    Raises:
        ControllerError: The file is missing or is not a benchmark result.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Report)
    except OSError as error:
        raise ControllerError(f"{path} cannot be read ({error.strerror}); `make bench` writes it") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ControllerError(f"{path} is not a benchmark result: {error}") from error


def print_figures(figures: Sequence[Figure], summaries: Mapping[str, Summary]) -> None:
    """Print a table of figures."""
    table = plain_table("figure", "median", "low to high", "must be", "holds")
    for row in figure_rows(figures, summaries):
        table.add_row(*row)
    show_table(table)


def print_report(report: Report) -> None:
    """Print the table and the machine."""
    print_figures(FIGURES, report.figures)
    show(_where(report))


def markdown(report: Report) -> str:
    """The table for docs/benchmarks.md."""
    head = ["| figure | median | low to high | must be | holds |", "| --- | --- | --- | --- | --- |"]
    rows = [f"| `{key}` | " + " | ".join(rest) + " |" for key, *rest in figure_rows(FIGURES, report.figures)]
    return "\n".join([*head, *rows, "", _where(report)])


def _where(report: Report) -> str:
    machine = report.machine
    return (
        f"{report.taken_at[:16]} UTC, {machine.get('processor')}, {machine.get('cores')} cores, kernel "
        f"{machine.get('kernel')}, Python {machine.get('python')}, ONNX Runtime "
        f"{machine.get('onnxruntime')}; load {machine.get('load_before')} before, "
        f"{machine.get('load_after')} after"
    )
