"""Read a results file."""

import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from controller.errors import StoreError
from controller.results.as_written import as_written, each_as_written
from controller.results.course import Course
from controller.results.encoding import column_names, from_columns, select, unpack
from controller.results.rows import (
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    DeviceRow,
    Drift,
    Hop,
    Link,
    MeasuredLink,
    Predicted,
    Profiling,
    Scope,
    Trial,
)
from controller.results.schema import (
    check_version,
    check_whole,
    connect,
    damage,
    read_though_cut_short,
)

__all__ = ["Results", "known_devices", "read_cells"]


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

    @as_written
    def experiment(self) -> dict[str, Any]:
        """The experiment's digest, name, text, seed, trials per cell, and creation time."""
        row = self._db.execute(
            "SELECT digest, name, text, seed, trials, created_at FROM experiment"
        ).fetchone()
        if row is None:
            raise StoreError(f"{self.path} is empty; run the sweep again")
        return dict(zip(("digest", "name", "text", "seed", "trials", "created_at"), row, strict=True))

    @as_written
    def check_experiment(self, text: str) -> None:
        """Raise StoreError if the results are of another experiment than this file's text."""
        row = self._db.execute("SELECT digest, name FROM experiment").fetchone()
        if row is not None and row[0] != hashlib.sha256(text.encode()).hexdigest():
            raise StoreError(
                f"{self.path} holds results of another experiment ({row[1]}); name another results file, "
                f"or remove this one"
            )

    @as_written
    def environments(self) -> list[tuple[int, str, dict[str, Any]]]:
        """The number, time and stamp of every sweep call that wrote this file."""
        rows = self._db.execute("SELECT id, taken_at, stamp FROM environment ORDER BY id")
        return [(number, taken_at, json.loads(stamp)) for number, taken_at, stamp in rows]

    @as_written
    def devices(self, environment: int | None = None) -> list[DeviceRow]:
        """One environment's devices (the last one's by default)."""
        if environment is None:
            environment = self._db.execute("SELECT max(id) FROM environment").fetchone()[0]
        rows = self._db.execute(
            "SELECT name, kind, slowdown, stamp FROM device WHERE environment = ? ORDER BY rowid",
            (environment,),
        )
        return [DeviceRow(name, kind, slowdown, json.loads(stamp)) for name, kind, slowdown, stamp in rows]

    @as_written
    def bundles(self) -> dict[str, dict[str, Any]]:
        """Manifest by bundle digest."""
        return {
            digest: json.loads(text)
            for digest, text in self._db.execute("SELECT digest, manifest FROM bundle")
        }

    @as_written
    def networks(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Each network's name, shaping and conditions, in the experiment's order."""
        rows = self._db.execute("SELECT name, shaping, requested FROM network ORDER BY position")
        return [(name, shaping, json.loads(requested)) for name, shaping, requested in rows]

    @as_written
    def cells(self) -> list[Cell]:
        """Every requested cell."""
        return [cell for _, cell in read_cells(self._db)]

    @as_written
    def cell_count(self) -> int:
        """The number of requested cells."""
        return int(self._db.execute("SELECT count(*) FROM cell").fetchone()[0])

    @as_written
    def finished(self) -> set[tuple[str, int]]:
        """(cell, number) of every finished trial."""
        return {(c, n) for c, n in self._db.execute("SELECT cell, number FROM trial WHERE status = 'done'")}

    @as_written
    def voids(self) -> list[tuple[str, int, str, str | None, str]]:
        """Every void trial's cell, number, reason, device and time."""
        return self._db.execute(
            "SELECT cell, number, reason, device, started_at FROM trial WHERE status = 'void' ORDER BY id"
        ).fetchall()

    @each_as_written
    def trials(self, cell: str | None = None, *, after: int = 0) -> Iterator[Trial]:
        """One cell's or all finished trials with their records, in the order of their runs.

        Args:
            after: The id of the last trial to skip.
        """
        where, values = ("AND cell = ?", (after, cell)) if cell else ("", (after,))
        rows = self._db.execute(
            "SELECT id, cell, number, started_at, elapsed_s, checked, worst_error, hops, links, records, "
            f"environment, course FROM trial "
            f"WHERE status = 'done' AND id > ? {where} ORDER BY id",
            values,
        )
        for (
            number_id,
            cell_id,
            number,
            started_at,
            elapsed,
            checked,
            worst,
            hops,
            links,
            blob,
            environment,
            course,
        ) in rows:
            arrays = unpack(blob)
            made_of = [Hop(**h) for h in json.loads(hops)]
            yield Trial(
                cell=cell_id,
                number=number,
                started_at=started_at,
                elapsed_s=elapsed,
                checked=checked,
                worst_error=worst,
                hops=tuple(made_of),
                links=tuple(Link(**k) for k in json.loads(links)),
                endpoint=arrays["endpoint"],
                records=tuple(arrays[f"hop{i}"] for i in range(len(made_of))),
                environment=environment,
                course=Course.from_plain(json.loads(course)),
                id=number_id,
            )

    @as_written
    def baselines(self) -> list[BaselineTrial]:
        """Every baseline trial."""
        return list(select(self._db, "baseline", BaselineTrial))

    @as_written
    def accuracies(self) -> list[Accuracy]:
        """Accuracy of every split that was computed."""
        return list(select(self._db, "accuracy", Accuracy))

    @as_written
    def codec_accuracies(self) -> list[CodecAccuracy]:
        """Accuracy of every split under every choice of codecs that was computed."""
        return list(select(self._db, "codec_accuracy", CodecAccuracy))

    def drifts(self) -> list[Drift]:
        """Every repeat of a reference cell."""
        return list(select(self._db, "drift", Drift))

    @as_written
    def links(self) -> list[MeasuredLink]:
        """Every measured link, in the order of measuring."""
        return list(select(self._db, "link", MeasuredLink))

    @as_written
    def scopes(self) -> list[Scope]:
        """Networks of which not all cells were wanted."""
        return list(select(self._db, "scope", Scope))

    @as_written
    def predicted(self) -> list[Predicted]:
        """What was predicted of cells before they were run."""
        return list(select(self._db, "predicted", Predicted))

    @as_written
    def profilings(self) -> list[Profiling]:
        """Every network that predictions were made from."""
        return list(select(self._db, "profiling", Profiling))

    @each_as_written
    def telemetry(self, trial: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """One trial's telemetry as devices and samples, in time order."""
        rows = self._db.execute(
            "SELECT device, sample FROM telemetry WHERE trial = ? ORDER BY device, at_s", (trial,)
        )
        for device, sample in rows:
            yield device, json.loads(sample)


def read_cells(db: sqlite3.Connection) -> Iterator[tuple[str, Cell]]:
    """Every wanted cell, and the id under which it is kept."""
    for name, *values in db.execute(f"SELECT id, {column_names(Cell)} FROM cell ORDER BY rowid"):
        yield name, from_columns(Cell, tuple(values))


def known_devices(results: Results) -> tuple[DeviceRow, ...]:
    """Each device's last stored row, since a call may lack some devices."""
    last = {
        device.name: device for number, _, _ in results.environments() for device in results.devices(number)
    }
    return tuple(last.values())
