"""The three tables, written as CSV or Parquet to a folder all or none, a trial at a time."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

from analysis.data.sweep import Sweep
from analysis.errors import OutputError
from analysis.exports.rows import EXPORTS, Exported
from analysis.output import written_whole
from controller.results import Results

__all__ = ["check_export_formats", "export_rows", "write_exports"]

_ROWS_AT_ONCE = 50_000
"""Rows of a Parquet row group: what is held in memory."""
_ARROW = {str: "string", int: "int64", float: "float64", bool: "bool"}

_Columns = Mapping[str, type]
_WriteRows = Callable[[Sequence[Mapping[str, Any]]], None]
"""Adds rows to a file; each has a value for every column."""


def write_exports(sweep: Sweep, out: Path, formats: Sequence[str] = ("csv",)) -> dict[Path, int]:
    """Write every table of `EXPORTS` to `out`; what was written, with its number of rows.

    Args:
        formats: As `check_export_formats` gives them.

    Raises:
        OutputError: `out` cannot be made or written.
    """
    counts = dict.fromkeys(EXPORTS, 0)
    with written_whole(out, ".export-") as draft, ExitStack() as stack:
        writers = {
            (table, name): stack.enter_context(_FORMATS[name](draft / f"{table}.{name}", columns))
            for table, (columns, _) in EXPORTS.items()
            for name in formats
        }
        for exported in _trials(sweep):
            for table, (_, rows_of) in EXPORTS.items():
                rows = rows_of(exported)
                counts[table] += len(rows)
                for name in formats:
                    writers[table, name](rows)
    return {out / f"{table}.{name}": counts[table] for table, name in writers}


def export_rows(sweep: Sweep, table: str) -> Iterator[dict[str, Any]]:
    """The rows of one table of `EXPORTS`, a trial at a time."""
    columns, rows_of = EXPORTS[table]
    for exported in _trials(sweep):
        for row in rows_of(exported):
            yield {column: row[column] for column in columns}


def _trials(sweep: Sweep) -> Iterator[Exported]:
    """Every trial that the sweep had when it was loaded; one that came since has not been measured."""
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
                    bundle_name=sweep.title(result.cell.bundle),
                    manifest=sweep.manifests[result.cell.bundle],
                    machines=sweep.found.by_environment.get(trial.environment, {}),
                    telemetry=telemetry,
                )


def check_export_formats(text: str) -> tuple[str, ...]:
    """The formats named in `text`, with commas between.

    Raises:
        OutputError: There is none, one that is not known, or one whose package is missing.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in _FORMATS]
    if unknown or not names:
        raise OutputError(f"--formats {text}: name one or more of {', '.join(_FORMATS)}")
    if "parquet" in names:
        _pyarrow()
    return names


@contextmanager
def _csv(path: Path, columns: _Columns) -> Iterator[_WriteRows]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        yield writer.writerows


@contextmanager
def _parquet(path: Path, columns: _Columns) -> Iterator[_WriteRows]:
    arrow, parquet = _pyarrow()
    schema = arrow.schema([(name, arrow.type_for_alias(_ARROW[kind])) for name, kind in columns.items()])
    rows: list[Mapping[str, Any]] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def write(more: Sequence[Mapping[str, Any]]) -> None:
            rows.extend(more)
            if len(rows) >= _ROWS_AT_ONCE:
                flush()

        yield write
        if rows:
            flush()


_FORMATS: Mapping[str, Callable[[Path, _Columns], AbstractContextManager[_WriteRows]]] = {
    "csv": _csv,
    "parquet": _parquet,
}
"""By name what opens a file for the rows of a table, given its columns."""


def _pyarrow() -> tuple[Any, Any]:
    """Imported on use: it is large, and only Parquet needs it."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise OutputError(
            "--formats parquet needs the package pyarrow; install it: pip install 'edgecut[parquet]'"
        ) from error
    return pyarrow, parquet
