"""Salvage the readable part of a damaged results file into a new one."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.errors import StoreError
from controller.results import Results, Store
from controller.results.encoding import SUM, RowError, Table
from controller.results.rows import TrialRow
from controller.results.tables import TABLES
from controller.results.trial_row import trial_of

__all__ = ["Saved", "save"]

_PARENTS = ("environment", "bundle", "network", "cell", "block")
"""Trials refer to them, so a damaged row of these is copied as it is."""


@dataclass(frozen=True)
class Saved:
    """The number of salvaged rows of all tables, and of finished trials among them."""

    rows: int
    trials: int


def save(damaged: Path, to: Path) -> Saved:
    """Copy every good row to `to`, and every readable one that trials refer to.

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
    rows = 0
    target.execute("BEGIN IMMEDIATE")
    for table in TABLES.values():
        rows += sum(_insert(target, table, values) for values in _readable(source, table))
    # Rows that refer to a lost row are useless, and the check would report them.
    for _ in range(3):
        for table, row, *_ in target.execute("PRAGMA foreign_key_check").fetchall():
            rows -= target.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,)).rowcount
    target.execute("COMMIT")
    trials = target.execute("SELECT count(*) FROM trial WHERE status = 'done'").fetchone()[0]
    return Saved(rows, trials)


def _insert(target: sqlite3.Connection, table: Table[Any], values: Sequence[Any]) -> int:
    names = (*table.names, SUM)
    # A row that breaks a rule of the tables, such as a duplicate trial, is dropped.
    statement = (
        f"INSERT OR IGNORE INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    )
    try:
        return target.execute(statement, values).rowcount
    except UnicodeEncodeError:  # no text at all
        return 0


def _is_good(table: Table[Any], number: int, values: Sequence[Any]) -> bool:
    try:
        row = table.read(number, values)
        if isinstance(row, TrialRow) and row.status == "done":
            trial_of(row)
    except RowError:
        return table.name in _PARENTS
    return True


def _readable(source: sqlite3.Connection, table: Table[Any]) -> Iterator[Sequence[Any]]:
    """A table's rows from its beginning and from its end, each up to the first unreadable one."""
    seen: set[int] = set()
    columns = ", ".join((*table.names, SUM))
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.DatabaseError):
            for number, *values in source.execute(
                f"SELECT rowid, {columns} FROM {table.name} ORDER BY rowid {order}"
            ):
                if number not in seen:
                    seen.add(number)
                    if _is_good(table, number, values):
                        yield values
