"""Salvage the readable part of a damaged results file into a new one."""

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from controller.errors import StoreError
from controller.results import Results, Store
from controller.results.check.records import telemetry_of
from controller.results.encoding import SUM, RowError, Table, insert, scan
from controller.results.reading import wrong_in_cell
from controller.results.records import digest_of
from controller.results.rows import Cell
from controller.results.tables import TABLES
from controller.results.trial import TelemetryRow, TrialRow
from controller.results.trial_row import check_sample, check_void, trial_of

__all__ = ["Saved", "save"]

_PARENTS = ("environment", "bundle", "network", "cell", "block")
"""Trials refer to them, so a readable row of these is kept though its sum is wrong, and gets a new one."""


@dataclass
class Saved:
    """What was salvaged.

    Attributes:
        rows: Of all tables.
        trials: The finished ones among them.
        damaged: A line for each row that is kept though something of it may be wrong or lost.
    """

    rows: int = 0
    trials: int = 0
    damaged: list[str] = field(default_factory=list)


def save(damaged: Path, to: Path) -> Saved:
    """Copy every good row to `to`, and every typed one that trials refer to.

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
    saved = Saved()
    target.execute("PRAGMA foreign_keys = OFF")
    target.execute("BEGIN IMMEDIATE")
    for table in TABLES.values():
        for number, values in _readable(source, table):
            saved.rows += _insert(target, table, _salvaged(table, number, values, saved.damaged))
    # Rows that refer to a lost row are useless, and the check would report them.
    for _ in range(3):
        for name, row, *_ in target.execute("PRAGMA foreign_key_check").fetchall():
            saved.rows -= target.execute(f"DELETE FROM {name} WHERE rowid = ?", (row,)).rowcount
    finished = [number for (number,) in target.execute("SELECT id FROM trial WHERE status = 'done'")]
    saved.trials = len(finished)
    saved.damaged += [f"trial {number} lost telemetry" for number in finished if _lost(target, number)]
    target.execute("COMMIT")
    return saved


def _lost(target: sqlite3.Connection, number: int) -> bool:
    """Whether a trial lost telemetry; then its digest is that of what is left."""
    (scanned,) = scan(target, TABLES[TrialRow], "id = ?", (number,))
    assert isinstance(scanned.row, TrialRow)
    trial = replace(trial_of(scanned.row), telemetry=telemetry_of(target, number))
    digest = digest_of(trial)
    if digest == scanned.row.digest:
        return False
    target.execute("DELETE FROM trial WHERE id = ?", (number,))
    insert(target, TABLES[TrialRow], replace(scanned.row, digest=digest))
    return True


def _insert(target: sqlite3.Connection, table: Table[Any], values: Sequence[Any] | None) -> int:
    if values is None:
        return 0
    names = (*table.names, SUM)
    # A row that breaks a rule of the tables, such as a duplicate trial, is dropped.
    statement = (
        f"INSERT OR IGNORE INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
    )
    try:
        return target.execute(statement, values).rowcount
    except UnicodeEncodeError:  # no text at all
        return 0


def _salvaged(
    table: Table[Any], number: int, values: Sequence[Any], damaged: list[str]
) -> Sequence[Any] | None:
    """A row as it is kept; None where it is lost."""
    try:
        _check(table.read(number, values), number)
    except RowError as error:
        if table.name not in _PARENTS or error.column != SUM:
            return None
        sealed = _sealed(table, values)
        if sealed is not None:
            damaged.append(str(error))
        return sealed
    return values


def _check(row: object, number: int) -> None:
    """Raise RowError: a trial or a sample that no sweep wrote."""
    if isinstance(row, TelemetryRow):
        check_sample(number, row)
    if isinstance(row, TrialRow) and row.status == "done":
        trial_of(row)
    elif isinstance(row, TrialRow):
        check_void(row)


def _sealed(table: Table[Any], values: Sequence[Any]) -> Sequence[Any] | None:
    """The row with the sum of what it holds; None where that cannot be, or contradicts the row's key."""
    try:
        sealed = (*values[:-1], table.sum_of(values[:-1]))
        row = table.read(0, sealed)
    except (RowError, UnicodeError, msgspec.MsgspecError, OverflowError):
        return None
    if isinstance(row, Cell) and wrong_in_cell(row, values[0], None):
        return None
    return sealed


def _readable(source: sqlite3.Connection, table: Table[Any]) -> Iterator[tuple[int, Sequence[Any]]]:
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
                    yield number, values
