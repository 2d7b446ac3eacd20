"""Write a results file: one sweep at a time, each trial whole or not at all."""

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from controller.errors import StoreError
from controller.results.encoding import dump, insert, pack
from controller.results.objectives import TIMED, Objective
from controller.results.reading import Results, known_devices
from controller.results.rows import Cell, DeviceRow, Trial
from controller.results.schema import TABLES, check_whole, connect, prepare

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Store"]


class Store(Results):
    """A results file, opened for writing."""

    @classmethod
    def create(
        cls,
        path: Path,
        *,
        name: str,
        text: str,
        seed: int,
        trials: int,
        created_at: str,
        least: int | None = None,
        until: float | None = None,
        objectives: Sequence[Objective] = TIMED,
    ) -> Self:
        """Open `path` for one experiment, and create it if missing.

        Args:
            trials: Of a cell; where they go on until answers are sure, at most.
            least: Then the fewest.
            until: How sure, then.
            objectives: What its answers are for.

        Raises:
            StoreError: The folder is not writable, or the file is another experiment's.
        """
        digest = hashlib.sha256(text.encode()).hexdigest()
        store = cls.append(path)
        with ExitStack() as stack:
            stack.callback(store.close)
            with store._transaction() as db:
                store.check_experiment(text)
                if db.execute("SELECT 1 FROM experiment").fetchone() is None:
                    db.execute(
                        "INSERT INTO experiment VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        (digest, name, text, seed, trials, least or trials, until)
                        + (dump(list(objectives)), created_at),
                    )
            stack.pop_all()
        return store

    @classmethod
    def append(cls, path: Path) -> Self:
        """Open `path` for any experiment, and create it without one if missing.

        Raises:
            StoreError: The folder is not writable, or the file is damaged or not a results file.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"results folder {path.parent}: {error.strerror}; choose a writable folder"
            ) from error
        store = cls(connect(path, writable=True), path)
        with store._transaction() as db:
            prepare(db, path)
        check_whole(store._db, path)
        return store

    def close(self) -> None:
        """Close the file as a single file that is readable in a read-only folder, too."""
        # SQLite refuses this while a reader is open; the write-ahead log then stays beside the file.
        with suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA journal_mode = DELETE")
        super().close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: cannot be written ({error})") from error

    def add_environment(self, taken_at: str, stamp: Mapping[str, Any], devices: Sequence[DeviceRow]) -> int:
        """Store a sweep's environment and return its number, which every trial refers to.

        Raises:
            StoreError: A device differs from that of earlier trials.
        """
        before = {device.name: device for device in known_devices(self)}
        for device in devices:
            known = before.get(device.name, device)
            if known.made_of != device.made_of:
                then, is_now = (", ".join(d.made_of) for d in (known, device))
                raise StoreError(
                    f"{self.path}: device {device.name} was {then}, but now it is {is_now}; set it back, or "
                    f"name another results file"
                )
        with self._transaction() as db:
            row = db.execute(
                "INSERT INTO environment (taken_at, stamp) VALUES (?, ?)", (taken_at, dump(stamp))
            )
            number = int(row.lastrowid or 0)
            for device in devices:
                insert(db, "device", device, environment=number)
        return number

    def add_bundle(self, digest: str, model: str, manifest: str) -> None:
        """Store a bundle's manifest (JSON text), so that a report needs no bundle."""
        with self._transaction() as db:
            db.execute("INSERT OR IGNORE INTO bundle VALUES (?, ?, ?)", (digest, model, manifest))

    def add_network(self, name: str, position: int, shaping: str, requested: Mapping[str, Any]) -> None:
        """Store a network's requested conditions, with its position in the experiment.

        Raises:
            StoreError: Its conditions differ from those of earlier trials.
        """
        if any(known == name and then != requested for known, _, then in self.networks()):
            raise StoreError(
                f"{self.path}: network {name!r} had other conditions; set them back, or name another "
                f"results file"
            )
        with self._transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO network VALUES (?, ?, ?, ?)",
                (name, position, shaping, dump(requested)),
            )

    def add(self, *rows: "DataclassInstance", **more: object) -> None:
        """Commit rows of any kind in `TABLES`, all or none, with `more` columns that they have no fields for.

        Stored cells and predictions stay; an accuracy, a box, a scope or a profiling replaces the one
        before.
        """
        with self._transaction() as db:
            for row in rows:
                table = TABLES[type(row)]
                own = {"id": row.id} if isinstance(row, Cell) else {}
                insert(db, table.name, row, otherwise=table.otherwise, **own, **more)

    def add_trial(self, trial: Trial) -> int:
        """Commit a finished trial with its records and telemetry.

        Raises:
            StoreError: The file holds this trial of this cell already.
        """
        arrays = {"endpoint": trial.endpoint_rows} | {
            f"hop{i}": rows for i, rows in enumerate(trial.hop_rows)
        }
        with self._transaction() as db:
            row = db.execute(
                "INSERT INTO trial (cell, number, status, environment, started_at, elapsed_s, requests, "
                "checked, worst_error, hops, links, records, course) "
                "VALUES (?, ?, 'done', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (trial.cell, trial.number, trial.environment, trial.started_at, trial.elapsed_s)
                + (len(trial.endpoint), trial.checked, trial.worst_error)
                + (
                    dump([asdict(h) for h in trial.hops]),
                    dump([asdict(k) for k in trial.links]),
                    pack(arrays),
                    dump(asdict(trial.course)),
                ),
            )
            number = int(row.lastrowid or 0)
            db.executemany(
                "INSERT INTO telemetry VALUES (?, ?, ?, ?)",
                [
                    (number, device, sample["at_s"], dump(sample))
                    for device, samples in trial.telemetry.items()
                    for sample in samples
                ],
            )
        return number

    def add_void(
        self, cell: str, number: int, environment: int, started_at: str, reason: str, device: str | None
    ) -> None:
        """Store a void trial with its reason; the trial stays pending."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO trial (cell, number, status, reason, device, environment, started_at) "
                "VALUES (?, ?, 'void', ?, ?, ?, ?)",
                (cell, number, reason, device, environment, started_at),
            )

    def remove_scope(self, network: str) -> None:
        """End a network's search: from now on all its cells are requested."""
        with self._transaction() as db:
            db.execute("DELETE FROM scope WHERE network = ?", (network,))
