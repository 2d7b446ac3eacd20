"""Write rows as CSV, or as Parquet if its package is installed."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from analysis.errors import OutputError

__all__ = ["FORMATS", "WriteRows", "check_export_formats"]

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
WriteRows = Callable[[Sequence[Row]], None]
"""Adds rows to a file; each has a value for every column."""


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


@contextmanager
def _csv(path: Path, columns: Sequence[str]) -> Iterator[WriteRows]:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        yield writer.writerows


@contextmanager
def _parquet(path: Path, columns: Sequence[str]) -> Iterator[WriteRows]:
    arrow, parquet = _pyarrow()
    schema = arrow.schema([(name, _kind(arrow, name, columns)) for name in columns])
    rows: list[Row] = []
    with parquet.ParquetWriter(path, schema) as writer:

        def flush() -> None:
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
            rows.clear()

        def write(more: Sequence[Row]) -> None:
            rows.extend(more)
            if len(rows) >= _ROWS_AT_ONCE:
                flush()

        yield write
        if rows:
            flush()


FORMATS: Mapping[str, Callable[[Path, Sequence[str]], AbstractContextManager[WriteRows]]] = {
    "csv": _csv,
    "parquet": _parquet,
}
"""By name what opens a file for the rows of a table, given its columns."""


def _kind(arrow: Any, name: str, columns: Sequence[str]) -> Any:
    if name in _TEXT or ("link_payload_bytes" in columns and name in _TEXT_OF_PIPELINES):
        return arrow.string()
    if name in _FLAGS:
        return arrow.bool_()
    return arrow.int64() if name in _WHOLE else arrow.float64()


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
