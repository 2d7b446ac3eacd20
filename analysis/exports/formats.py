"""How rows become a file: CSV, or Parquet where its package is there."""

import csv
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from analysis.errors import OutputError

__all__ = ["FORMATS", "RowWriter", "check_export_formats", "row_writer"]

FORMATS = ("csv", "parquet")
_ROWS_AT_ONCE = 50_000
"""Rows of a Parquet row group: what is held in memory."""

# What a Parquet column holds; all others are numbers with a fraction. Lists are text, as in CSV.
_TEXT = frozenset(
    ("cell", "model", "network", "split", "cuts", "devices", "codec", "load", "topology", "backend")
    + ("stage_compute_s", "device", "kind", "stage_images_per_s", "stage_limit_images_per_s", "bottleneck")
    + ("link_payload_bytes", "link_encoded_bytes")
)
_WHOLE = frozenset(
    ("trial", "depth", "batch", "request", "requests", "images", "stage", "start", "stop", "layers")
    + ("parameters", "multiply_adds", "threads", "telemetry_samples", "process_rss_bytes", "host_used_bytes")
    + ("throttled", "sent_bytes", "received_bytes", "gpu_used_bytes", "payload_bytes")
)
_FLAGS = frozenset(("stable", "overloaded"))
# A list in one file, a number in the other.
_TEXT_OF_PIPELINES = frozenset(("busy", "bubble"))

Row = Mapping[str, Any]


class RowWriter(AbstractContextManager["RowWriter"], Protocol):
    """A file that rows are added to."""

    def write(self, rows: Sequence[Row]) -> None:
        """Add rows; each has a value for every column."""


def check_export_formats(text: str) -> tuple[str, ...]:
    """The formats named in `text`, with commas between.

    Raises:
        OutputError: There is none, one that is not known, or one whose package is missing.
    """
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in FORMATS]
    if unknown or not names:
        raise OutputError(f"--formats {text}: name one or more of {', '.join(FORMATS)}")
    if "parquet" in names:
        _pyarrow()
    return names


def row_writer(path: Path, columns: Sequence[str], name: str) -> RowWriter:
    """A writer to `path`, in the format `name`."""
    return _writers()[name](path, columns)


def _writers() -> dict[str, Callable[[Path, Sequence[str]], RowWriter]]:
    return {"csv": _Csv, "parquet": _Parquet}


class _Csv:
    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._writer = csv.DictWriter(self._file, columns, lineterminator="\n")
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class _Parquet:
    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._arrow, self._parquet = _pyarrow()
        self._schema = self._arrow.schema([(name, self._kind(name, columns)) for name in columns])
        self._writer = self._parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def _kind(self, name: str, columns: Sequence[str]) -> Any:
        if name in _TEXT or ("link_payload_bytes" in columns and name in _TEXT_OF_PIPELINES):
            return self._arrow.string()
        if name in _FLAGS:
            return self._arrow.bool_()
        return self._arrow.int64() if name in _WHOLE else self._arrow.float64()

    def write(self, rows: Sequence[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._rows:
            self._flush()
        self._writer.close()


def _pyarrow() -> tuple[Any, Any]:
    """Imported when it is asked for: it is large, and only Parquet needs it."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise OutputError(
            "--formats parquet needs the package pyarrow; install it: pip install 'edgecut[parquet]'"
        ) from error
    return pyarrow, parquet
