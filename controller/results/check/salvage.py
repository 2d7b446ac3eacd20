"""Salvage the readable part of a damaged results file into a new one."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from controller.errors import StoreError
from controller.results import UNREADABLE, Results, Store, unpack

__all__ = ["Saved", "save"]

_ROW = "row_in_the_damaged_file"


@dataclass(frozen=True)
class Saved:
    """The number of salvaged rows of all tables, and of finished trials among them."""

    rows: int
    trials: int


def save(damaged: Path, to: Path) -> Saved:
    """Copy every readable row with readable records to `to`.

    Raises:
        StoreError: `to` exists or is not writable, or not even the tables' names are readable.
    """
    if to.exists():
        raise StoreError(f"{to} exists; name a new file with --save")
    partial = to.with_name(f"{to.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with Results.open(damaged, whole=False) as source, Store.append(partial) as target:
            saved = _copy(source.connection, target.connection)
        partial.replace(to)
    except sqlite3.Error as error:
        raise StoreError(f"{damaged}: nothing is readable ({error}); restore it from a backup") from error
    finally:
        for path in (partial, *(partial.with_name(f"{partial.name}-{more}") for more in ("wal", "shm"))):
            path.unlink(missing_ok=True)
    return saved


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> Saved:
    target.execute("PRAGMA foreign_keys = OFF")
    names = {name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    tables = [name for (name,) in target.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows = 0
    target.execute("BEGIN IMMEDIATE")
    for table in tables:
        if table in names:
            rows += sum(_insert(target, table, row) for row in _readable(source, table))
    # Rows that refer to a lost row are useless, and the check would report them.
    for _ in range(3):
        for table, row, *_ in target.execute("PRAGMA foreign_key_check").fetchall():
            rows -= target.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,)).rowcount
    target.execute("COMMIT")
    trials = target.execute("SELECT count(*) FROM trial WHERE status = 'done'").fetchone()[0]
    return Saved(rows, trials)


def _insert(target: sqlite3.Connection, table: str, row: sqlite3.Row) -> int:
    values = dict(zip(row.keys(), row, strict=True))
    del values[_ROW]
    if table == "trial" and values["status"] == "done" and not _has_records(values["records"]):
        return 0
    names, marks = ", ".join(values), ", ".join("?" * len(values))
    # A row that breaks a rule of the tables, such as a duplicate trial, is dropped.
    statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
    return target.execute(statement, tuple(values.values())).rowcount


def _has_records(blob: object) -> bool:
    try:
        return isinstance(blob, bytes) and "endpoint" in unpack(blob)
    except UNREADABLE:
        return False


def _readable(source: sqlite3.Connection, table: str) -> Iterator[sqlite3.Row]:
    """A table's rows from its beginning and from its end, each up to the first unreadable one."""
    seen: set[int] = set()
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            cursor = source.cursor()
            cursor.row_factory = sqlite3.Row
            for row in cursor.execute(f"SELECT rowid AS {_ROW}, * FROM {table} ORDER BY rowid {order}"):
                if row[_ROW] not in seen:
                    seen.add(row[_ROW])
                    yield row
