"""Saves from a damaged results file what can still be read, into a new one."""

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
    """How much was saved: rows of all tables, finished trials among them."""

    rows: int
    trials: int


def save(damaged: Path, to: Path) -> Saved:
    """Copy every row that can be read, and whose records can be, to `to`.

    Raises:
        StoreError: `to` is there already or cannot be written, or not even the tables' names can be read.
    """
    if to.exists():
        raise StoreError(f"{to} is there already; name a new file with --save")
    partial = to.with_name(f"{to.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        with Results.open(damaged, whole=False) as source, Store.append(partial) as target:
            saved = _copy(source.connection, target.connection)
        partial.replace(to)
    except sqlite3.Error as error:
        raise StoreError(f"{damaged}: nothing can be saved ({error}); take it from a backup") from error
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
    # What belongs to a row that was lost is of no use, and would be found wrong.
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
    # A row that breaks a rule of the tables (a trial twice) is none.
    statement = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
    return target.execute(statement, tuple(values.values())).rowcount


def _has_records(blob: object) -> bool:
    try:
        return isinstance(blob, bytes) and "endpoint" in unpack(blob)
    except UNREADABLE:
        return False


def _readable(source: sqlite3.Connection, table: str) -> Iterator[sqlite3.Row]:
    """Rows of a table from its beginning and from its end, each as far as it can be read."""
    seen: set[int] = set()
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            cursor = source.cursor()
            cursor.row_factory = sqlite3.Row
            for row in cursor.execute(f"SELECT rowid AS {_ROW}, * FROM {table} ORDER BY rowid {order}"):
                if row[_ROW] not in seen:
                    seen.add(row[_ROW])
                    yield row
