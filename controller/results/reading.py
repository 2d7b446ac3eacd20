"""Read a results file."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import msgspec

from controller.errors import StoreError
from controller.results.as_written import as_written
from controller.results.encoding import column_names, from_columns, select, unpack
from controller.results.objectives import Objective
from controller.results.rows import Cell, Course, DeviceRow, Hop, Link, Look, Saturation, Trial
from controller.results.schema import (
    TABLES,
    check_version,
    check_whole,
    connect,
    damage,
    read_though_cut_short,
)
from controller.results.wanted import TrialsWanted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Results", "known_devices", "read_cells"]

Row = TypeVar("Row", bound="DataclassInstance")

_PLAIN: Final = ("id", "cell", "number", "environment", "started_at", "elapsed_s", "checked", "worst_error")
"""The columns of a trial that hold a field each as it is."""


class Results:
    """A results file, opened for reading, even while a sweep writes it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path

    @classmethod
    def open(cls, path: Path, *, whole: bool = True) -> Self:
        """Open `path` read-only; `whole` refuses a damaged file.

        Raises:
            StoreError: The file is missing, damaged, or not a results file.
        """
        if not path.is_file():
            raise StoreError(f"{path}: no such results file; run a sweep, which writes it")
        results = cls(connect(path, writable=False), path)
        if not whole:
            read_though_cut_short(results._db)
        check_version(results._db, path)
        if whole:
            check_whole(results._db, path)
        return results

    @property
    def connection(self) -> sqlite3.Connection:
        """The database itself, for other queries."""
        return self._db

    def damage(self) -> str:
        """SQLite's findings about damage in one line, empty without any. Reads the whole file."""
        return damage(self._db, "integrity_check")

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def experiment(self) -> dict[str, Any]:
        """The experiment's digest, name, text, seed, and creation time, and what `trials_wanted` reads."""
        names = ("digest", "name", "text", "seed", "trials", "least", "until", "objectives", "created_at")
        with as_written(self.path):
            row = self._db.execute(f"SELECT {', '.join(names)} FROM experiment").fetchone()
        if row is None:
            raise StoreError(f"{self.path} is empty; run the sweep again")
        return dict(zip(names, row, strict=True))

    def trials_wanted(self) -> TrialsWanted:
        """How many trials cells are to have, after all looks so far."""
        experiment = self.experiment()
        least, most, until = (experiment[key] for key in ("least", "trials", "until"))
        if not (isinstance(least, int) and isinstance(most, int) and 1 <= least <= most):
            raise StoreError(f"{self.path} has no sweep's trials: least {least}, most {most}")
        wanted = TrialsWanted(least, most, until)
        for look in self.rows(Look):
            wanted.note(look)
        return wanted

    def objectives(self) -> tuple[Objective, ...]:
        """What the experiment's answers are for, in its order."""
        text = self.experiment()["objectives"]
        with as_written(self.path):
            return msgspec.json.decode(text, type=tuple[Objective, ...])

    def check_experiment(self, text: str) -> None:
        """Raise StoreError if the results are of another experiment than this file's text."""
        with as_written(self.path):
            row = self._db.execute("SELECT digest, name FROM experiment").fetchone()
        if row is not None and row[0] != hashlib.sha256(text.encode()).hexdigest():
            raise StoreError(
                f"{self.path} holds results of another experiment ({row[1]}); name another results file, "
                f"or remove this one"
            )

    def environments(self) -> list[tuple[int, str, dict[str, Any]]]:
        """Number, time and stamp of every environment: a call's, and one for each change of devices in it."""
        with as_written(self.path):
            rows = self._db.execute("SELECT id, taken_at, stamp FROM environment ORDER BY id")
            return [(number, taken_at, json.loads(stamp)) for number, taken_at, stamp in rows]

    def devices(self, environment: int | None = None) -> list[DeviceRow]:
        """One environment's devices (the last one's by default)."""
        with as_written(self.path):
            if environment is None:
                environment = self._db.execute("SELECT max(id) FROM environment").fetchone()[0]
        return self.rows(DeviceRow, environment=environment)

    def bundles(self) -> dict[str, dict[str, Any]]:
        """Manifest by bundle digest."""
        with as_written(self.path):
            rows = self._db.execute("SELECT digest, manifest FROM bundle")
            return {digest: json.loads(text) for digest, text in rows}

    def networks(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Each network's name, shaping and conditions, in the experiment's order."""
        with as_written(self.path):
            rows = self._db.execute("SELECT name, shaping, requested FROM network ORDER BY position")
            return [(name, shaping, json.loads(requested)) for name, shaping, requested in rows]

    def rows(self, kind: type[Row], **where: object) -> list[Row]:
        """Every row of a kind, such as `Cell` or `BaselineTrial`, in the order of writing.

        Args:
            where: Values that columns of the rows have.
        """
        with as_written(self.path):
            return list(select(self._db, TABLES[kind].name, kind, **where))

    def cells(self) -> list[Cell]:
        """Every requested cell, with the depth that was found for it."""
        depths = {saturation.cell: saturation.depth for saturation in self.rows(Saturation)}
        cells = self.rows(Cell)
        with as_written(self.path):
            return [replace(cell, depth=depths.get(cell.id, 0)) if cell.role else cell for cell in cells]

    def cell_count(self) -> int:
        """The number of requested cells."""
        with as_written(self.path):
            return int(self._db.execute("SELECT count(*) FROM cell").fetchone()[0])

    def finished(self) -> set[tuple[str, int]]:
        """(cell, number) of every finished trial."""
        with as_written(self.path):
            rows = self._db.execute("SELECT cell, number FROM trial WHERE status = 'done'")
            return {(cell, number) for cell, number in rows}

    def last_started_at(self, network: str, block: int) -> str | None:
        """When the last trial of a block began, void or not; None before its first."""
        with as_written(self.path):
            row = self._db.execute(
                "SELECT max(started_at) FROM trial JOIN cell ON cell.id = trial.cell "
                "WHERE network = ? AND number = ?",
                (network, block),
            ).fetchone()
        return None if row[0] is None else str(row[0])

    def voids(self) -> list[tuple[str, int, str, str | None, str]]:
        """Every void trial's cell, number, reason, device and time."""
        with as_written(self.path):
            return self._db.execute(
                "SELECT cell, number, reason, device, started_at FROM trial WHERE status = 'void' ORDER BY id"
            ).fetchall()

    def trials(self, cell: str | None = None, *, after: int = 0) -> Iterator[Trial]:
        """One cell's or all finished trials with their records, in the order of their runs.

        Args:
            after: The id of the last trial to skip.
        """
        with as_written(self.path):
            rows = self._db.execute(
                f"SELECT {', '.join(_PLAIN)}, hops, links, course, records FROM trial "
                "WHERE status = 'done' AND id > ? AND cell = ifnull(?, cell) ORDER BY id",
                (after, cell),
            )
            for *plain, hops_text, links, course, blob in rows:
                arrays = unpack(blob)
                hops = msgspec.json.decode(hops_text, type=tuple[Hop, ...])
                yield Trial(
                    **dict(zip(_PLAIN, plain, strict=True)),
                    hops=hops,
                    links=msgspec.json.decode(links, type=tuple[Link, ...]),
                    course=msgspec.json.decode(course, type=Course),
                    endpoint_rows=arrays["endpoint"],
                    hop_rows=tuple(arrays[f"hop{position}"] for position in range(len(hops))),
                )

    def telemetry(self, trial: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """One trial's telemetry as devices and samples, in time order."""
        with as_written(self.path):
            rows = self._db.execute(
                "SELECT device, sample FROM telemetry WHERE trial = ? ORDER BY device, at_s", (trial,)
            )
            for device, sample in rows:
                yield device, json.loads(sample)


def read_cells(db: sqlite3.Connection) -> Iterator[tuple[str, Cell]]:
    """Every requested cell, and its stored id."""
    for name, *values in db.execute(f"SELECT id, {column_names(Cell)} FROM cell ORDER BY rowid"):
        yield name, from_columns(Cell, tuple(values))


def known_devices(results: Results) -> tuple[DeviceRow, ...]:
    """Each device's last stored row, since a call may lack some devices."""
    last = {
        device.name: device for number, _, _ in results.environments() for device in results.devices(number)
    }
    return tuple(last.values())
