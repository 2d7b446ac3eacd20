"""Write a results file: one sweep at a time, each trial whole or not at all."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from controller.errors import StoreError
from controller.results.encoding import insert
from controller.results.objectives import TIMED, Objective
from controller.results.reading import Results, digest, wanted_of
from controller.results.rows import BundleRow, Cell, DeviceRow, EnvironmentRow, ExperimentRow, NetworkRow
from controller.results.schema import check_whole, connect, prepare
from controller.results.tables import TABLES
from controller.results.trial import TelemetryRow, Trial, TrialRow
from controller.results.trial_row import row_of, samples_of

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
        rest: str | None = None,
    ) -> Self:
        """Open `path` for one experiment, and create it if missing.

        If the experiment has more trials than the file's, and nothing else differs, it joins that one in the
        file, and no network has had enough blocks any more.

        Args:
            trials: Of a cell; where they go on until answers are sure, at most.
            least: Then the fewest.
            until: How sure, then.
            objectives: What its answers are for.
            rest: All of the experiment but its trials; its text by default, so that nothing may differ.

        Raises:
            StoreError: The folder is not writable, or the file is another experiment's.
        """
        rest = text if rest is None else rest
        experiment = ExperimentRow(
            digest(text),
            digest(rest),
            name,
            text,
            seed,
            trials,
            least or trials,
            until,
            tuple(objectives),
            created_at,
        )
        store = cls.append(path)
        with ExitStack() as stack:
            stack.callback(store.close)
            store.refuse_bad_trials()
            with store._transaction() as db:
                raised = store.check_experiment(text, rest, wanted_of(experiment))
                if raised or not store.rows(ExperimentRow):
                    insert(db, TABLES[ExperimentRow], experiment)
                if raised:
                    db.execute("DELETE FROM look WHERE ended IS NOT NULL")
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
        with store._closed_on_error():
            with store._transaction() as db:
                prepare(db, path)
            check_whole(store._db, path)
            store._resolve()
        return store

    def close(self) -> None:
        """Close the file as a single file that is readable in a read-only folder, too."""
        # SQLite refuses this while a reader is open; the write-ahead log then stays beside the file.
        with suppress(sqlite3.DatabaseError):
            self._db.execute("PRAGMA journal_mode = DELETE")
        super().close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
        # ValueError: a figure that is not finite.
        except (sqlite3.Error, ValueError) as error:
            raise StoreError(f"{self.path}: cannot be written ({error})") from error

    @staticmethod
    def _next_id(db: sqlite3.Connection, table: str) -> int:
        return int(db.execute(f"SELECT ifnull(max(id), 0) + 1 FROM {table}").fetchone()[0])

    def add_environment(self, taken_at: str, stamp: Mapping[str, Any], devices: Sequence[DeviceRow]) -> int:
        """Store a sweep's environment and return its number, which every trial refers to.

        Raises:
            StoreError: A device differs from that of earlier trials.
        """
        before = {device.name: device for device in self.found_devices().last}
        for device in devices:
            known = before.get(device.name, device)
            if known.made_of != device.made_of:
                then, is_now = (", ".join(d.made_of) for d in (known, device))
                raise StoreError(
                    f"{self.path}: device {device.name} was {then}, but now it is {is_now}; set it back, or "
                    f"name another results file"
                )
        with self._transaction() as db:
            number = self._next_id(db, "environment")
            insert(db, TABLES[EnvironmentRow], EnvironmentRow(number, taken_at, stamp))
            insert(db, TABLES[DeviceRow], *devices, environment=number)
        return number

    def add_bundle(self, digest: str, model: str, manifest: str) -> None:
        """Store a bundle's manifest (JSON text), so that a report needs no bundle."""
        self.add(BundleRow(digest, model, json.loads(manifest)))

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
        self.add(NetworkRow(name, position, shaping, requested))

    def add(self, *rows: "DataclassInstance", **more: object) -> None:
        """Commit rows of any kind in `TABLES`, all or none, with `more` columns that they have no fields for.

        Stored cells and predictions stay; an accuracy, a box, a scope or a profiling replaces the one
        before.
        """
        with self._transaction() as db:
            for row in rows:
                own = {"id": row.id} if isinstance(row, Cell) else more
                insert(db, TABLES[type(row)], row, **own)

    def add_trial(self, trial: Trial) -> int:
        """Commit a finished trial with its records and telemetry.

        Raises:
            StoreError: The file holds this trial of this cell already.
        """
        with self._transaction() as db:
            number = self._next_id(db, "trial")
            insert(db, TABLES[TrialRow], row_of(trial, number))
            insert(db, TABLES[TelemetryRow], *samples_of(trial, number))
        return number

    def add_void(
        self, cell: str, number: int, environment: int, started_at: str, reason: str, device: str | None
    ) -> None:
        """Store a void trial with its reason; the trial stays pending."""
        with self._transaction() as db:
            row = TrialRow(
                id=self._next_id(db, "trial"),
                cell=cell,
                number=number,
                status="void",
                environment=environment,
                started_at=started_at,
                reason=reason,
                device=device,
            )
            insert(db, TABLES[TrialRow], row)

    def remove_scope(self, network: str) -> None:
        """End a network's search: from now on all its cells are requested."""
        with self._transaction() as db:
            db.execute("DELETE FROM scope WHERE network = ?", (network,))
