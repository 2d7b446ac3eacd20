"""The three tables, written to a folder all or none, a trial at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from analysis.data.sweep import Sweep
from analysis.exports.batches import BATCH_COLUMNS, batch_rows
from analysis.exports.devices import DEVICE_COLUMNS, device_rows
from analysis.exports.formats import FORMATS
from analysis.exports.pipelines import PIPELINE_COLUMNS, pipeline_rows
from analysis.exports.trial import Exported
from analysis.output import written_whole
from controller.results import Results

__all__ = ["EXPORTS", "write_exports"]

EXPORTS: dict[str, tuple[tuple[str, ...], Callable[[Exported], list[dict[str, Any]]]]] = {
    "batch_metrics": (BATCH_COLUMNS, batch_rows),
    "device_metrics": (DEVICE_COLUMNS, device_rows),
    "pipeline_metrics": (PIPELINE_COLUMNS, pipeline_rows),
}


def write_exports(sweep: Sweep, out: Path, formats: Sequence[str] = ("csv",)) -> dict[Path, int]:
    """Write every table of `EXPORTS` to `out`; what was written, with its number of rows.

    Made in a folder beside and moved in place when all is there.

    Args:
        formats: As `check_export_formats` gives them.

    Raises:
        OutputError: `out` cannot be made or written.
    """
    with written_whole(out, ".export-") as draft:
        rows = _write(sweep, draft, formats)
    return {out / name: count for name, count in rows.items()}


def _write(sweep: Sweep, folder: Path, formats: Sequence[str]) -> dict[str, int]:
    files = [(f"{table}.{name}", table, name) for table in EXPORTS for name in formats]
    rows = {file: 0 for file, _, _ in files}
    with ExitStack() as stack:
        writers = {
            file: stack.enter_context(FORMATS[name](folder / file, EXPORTS[table][0]))
            for file, table, name in files
        }
        for exported in _trials(sweep):
            tables = {table: rows_of(exported) for table, (_, rows_of) in EXPORTS.items()}
            for file, table, _ in files:
                writers[file](tables[table])
                rows[file] += len(tables[table])
    return rows


def _trials(sweep: Sweep) -> Iterator[Exported]:
    """Every trial that the sweep had when it was loaded; one that came since has not been measured."""
    machines = {device.name: device for device in sweep.devices}
    with Results.open(sweep.path) as store:
        for result in sweep.cells:
            measured = {figures.number: figures for figures in result.trials}
            for trial in store.trials(result.cell.id):
                if trial.number not in measured:
                    continue
                telemetry: dict[str, list[Any]] = {}
                for device, sample in store.telemetry(trial.id):
                    telemetry.setdefault(device, []).append(sample)
                yield Exported(
                    result=result,
                    trial=trial,
                    figures=measured[trial.number],
                    manifest=sweep.manifests[result.cell.bundle],
                    machines=machines,
                    telemetry=telemetry,
                )
