"""Read a results file."""

import hashlib
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from controller.errors import StoreError, edgecut_command
from controller.results.as_written import as_written
from controller.results.encoding import RowError, scan, select, select_with_own
from controller.results.found import FoundDevices
from controller.results.objectives import Objective
from controller.results.rows import (
    BundleRow,
    Cell,
    DeviceRow,
    EnvironmentRow,
    ExperimentRow,
    Look,
    NetworkRow,
    Saturation,
)
from controller.results.schema import (
    check_schema,
    check_whole,
    connect,
    damage,
    dangling,
    read_though_cut_short,
)
from controller.results.tables import CELL, TABLES
from controller.results.trial import TelemetryRow, Trial, TrialRow
from controller.results.trial_row import check_sample, check_void, trial_of
from controller.results.wanted import TrialsWanted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["Results", "digest", "wanted_of", "wrong_in_cell"]

Row = TypeVar("Row", bound="DataclassInstance")

_WARNINGS = 5
_OF_TRIALS = ("trial", "telemetry")
"""A bad row of these tables costs a trial; one of the others the file."""


class Results:
    """A results file, opened for reading: one state of it, even while a sweep writes it.

    Attributes:
        left_out: By table and number, each row read so far that cost a trial or a sample, and why.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._db = connection
        self.path = path
        self.left_out: dict[tuple[str, int], str] = {}

    @classmethod
    def open(cls, path: Path, *, whole: bool = True) -> Self:
        """Open `path` read-only, as it is now; `whole` refuses a damaged file.

        Raises:
            StoreError: The file is missing, damaged, or not a results file.
        """
        if not path.is_file():
            raise StoreError(f"{path}: no such results file; run a sweep, which writes it")
        results = cls(connect(path, writable=False), path)
        with results._closed_on_error():
            if not whole:
                read_though_cut_short(results._db)
            # What refers to other rows finds them: a search, for one, adds cells all the time.
            results._db.execute("BEGIN")
            check_schema(results._db, path)
            if whole:
                check_whole(results._db, path)
                results._resolve()
        return results

    @classmethod
    def reopen(cls, path: Path) -> Self:
        """Open again, as it is now, a file that `open` found whole: to look that up takes long.

        Raises:
            StoreError: The file is gone, or not a results file any more.
        """
        results = cls(connect(path, writable=False), path)
        with results._closed_on_error():
            results._db.execute("BEGIN")
            check_schema(results._db, path)
        return results

    @contextmanager
    def _closed_on_error(self) -> Iterator[None]:
        with ExitStack() as stack:
            stack.callback(self.close)
            yield
            stack.pop_all()

    def _resolve(self) -> None:
        """Look up every reference of a row to another, once."""
        with as_written(self.path):
            for missing in dangling(self._db):
                if missing.table not in _OF_TRIALS:
                    raise missing
                self._leave_out(missing)

    @property
    def warnings(self) -> list[str]:
        """A line for each row that was left out, at most a few, and their number."""
        lines = [f"left out: {why}" for why in self.left_out.values()]
        more = len(lines) - _WARNINGS
        return [*lines[:_WARNINGS], *([f"left out: {more} more rows"] if more > 0 else [])]

    def _leave_out(self, row: RowError) -> None:
        self.left_out[row.table, row.row] = str(row)

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
        """The fields of its `ExperimentRow`: the last one."""
        return asdict(self._experiments()[-1])

    def _experiments(self) -> list[ExperimentRow]:
        """The experiment as it was each time that its trials were raised, and as it is."""
        if not (rows := self.rows(ExperimentRow)):
            raise StoreError(f"{self.path} is empty; run the sweep again")
        return rows

    def trials_wanted(self) -> TrialsWanted:
        """How many trials cells are to have, after all looks so far."""
        *earlier, wanted = map(wanted_of, self._experiments())
        if wanted.least > wanted.most:
            raise StoreError(f"{self.path} has no sweep's trials: least {wanted.least}, most {wanted.most}")
        wanted = replace(wanted, earlier=tuple(earlier))
        for look in self.rows(Look):
            wanted.note(look)
        return wanted

    def objectives(self) -> tuple[Objective, ...]:
        """What the experiment's answers are for, in its order."""
        objectives: tuple[Objective, ...] = self.experiment()["objectives"]
        return objectives

    def check_experiment(self, text: str, rest: str, wanted: TrialsWanted) -> bool:
        """Whether an experiment is that of these results with raised trials.

        Args:
            text: The whole file.
            rest: All of it but its trials.
            wanted: Its trials.

        Raises:
            StoreError: The results are of another experiment.
        """
        if not (rows := self.rows(ExperimentRow)) or rows[-1].digest == digest(text):
            return False
        last = rows[-1]
        if last.rest != digest(rest):
            raise StoreError(
                f"{self.path} holds results of another experiment ({last.name}); name another results "
                f"file, or remove this one"
            )
        before = wanted_of(last)
        if not wanted.raises(before):
            raise StoreError(
                f"{self.path} holds results of this experiment with trials {before.text_with_until}, which "
                f"{wanted.text_with_until} does not raise; raise them, or name another results file"
            )
        return True

    def refuse_bad_trials(self) -> None:
        """Raise StoreError: a bad trial would count as finished, and never be run again."""
        deque(self.trials(), maxlen=0)
        self.voids()
        if self.warnings:
            raise StoreError(
                f"{self.path}: {self.warnings[0].removeprefix('left out: ')}; to run that trial again: "
                f"{edgecut_command('check', self.path)} --save NEW/results.sqlite, then resume the sweep "
                f"with --results NEW"
            )

    def environments(self) -> list[tuple[int, str, Mapping[str, Any]]]:
        """Number, time and stamp of every environment: a call's, and one for each change of devices in it."""
        return [(row.id, row.taken_at, row.stamp) for row in self.rows(EnvironmentRow)]

    def devices(self, environment: int | None = None) -> list[DeviceRow]:
        """One environment's devices (the last one's by default)."""
        if environment is None:
            environment = max((number for number, _, _ in self.environments()), default=None)
        return self.rows(DeviceRow, environment=environment)

    def found_devices(self) -> FoundDevices:
        """The devices of all environments."""
        return FoundDevices({number: self.devices(number) for number, _, _ in self.environments()})

    def bundles(self) -> dict[str, Mapping[str, Any]]:
        """Manifest by bundle digest."""
        return {row.digest: row.manifest for row in self.rows(BundleRow)}

    def networks(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        """Each network's name, shaping and conditions, in the experiment's order."""
        rows = sorted(self.rows(NetworkRow), key=lambda row: row.position)
        return [(row.name, row.shaping, row.requested) for row in rows]

    def rows(self, kind: type[Row], **where: object) -> list[Row]:
        """Every row of a kind, such as `Cell` or `BaselineTrial`, in the order of writing.

        Args:
            where: Values that columns of the rows have.

        Raises:
            StoreError: No sweep wrote one of them.
        """
        with as_written(self.path):
            return list(select(self._db, TABLES[kind], **where))

    def taken(self, kind: type[Row], **where: object) -> list[tuple[int, Row]]:
        """As `rows`, of a kind that is taken in an environment, each with the number of its own."""
        with as_written(self.path):
            rows = select_with_own(self._db, TABLES[kind], **where)
            return [(int(environment), row) for (environment,), row in rows]

    def cells(self) -> list[Cell]:
        """Every requested cell, with the depth that was found for it."""
        depths = {saturation.cell: saturation.depth for saturation in self.rows(Saturation)}
        counts = {digest: manifest.get("node_count") for digest, manifest in self.bundles().items()}
        cells = []
        with as_written(self.path):
            for number, (name,), cell in scan(self._db, CELL):
                if isinstance(cell, RowError):
                    raise cell
                if why := wrong_in_cell(cell, name, counts.get(cell.bundle)):
                    raise RowError(CELL.name, number, *why)
                cells.append(replace(cell, depth=depths.get(name, 0)) if cell.role else cell)
        return cells

    def cell_count(self) -> int:
        """The number of requested cells."""
        with as_written(self.path):
            return int(self._db.execute("SELECT count(*) FROM cell").fetchone()[0])

    def finished(self) -> set[tuple[str, int]]:
        """(cell, number) of every finished trial."""
        with as_written(self.path):
            return set(self._db.execute("SELECT cell, number FROM trial WHERE status = 'done'"))

    def last_started_at(self, network: str, block: int) -> str | None:
        """When the last trial of a block began, void or not; None before its first."""
        condition = "number = ? AND cell IN (SELECT id FROM cell WHERE network = ?)"
        return max(
            (row.started_at for row in self._trial_rows(condition, (block, network))),
            key=datetime.fromisoformat,
            default=None,
        )

    def voids(self) -> list[tuple[str, int, str, str | None, str]]:
        """Every void trial's cell, number, reason, device and time."""
        voids = []
        for row in self._trial_rows("status = 'void'"):
            try:
                voids.append((row.cell, row.number, check_void(row), row.device, row.started_at))
            except RowError as error:
                self._leave_out(error)
        return voids

    def trials(self, cell: str | None = None, *, after: int | None = None) -> Iterator[Trial]:
        """One cell's or all finished trials with their records, in the order of their runs.

        A trial that no sweep wrote is left out.

        Args:
            after: The id of the last trial to skip; None: of none.
        """
        narrowed = {"id > ?": after, "cell = ?": cell}
        where = {condition: value for condition, value in narrowed.items() if value is not None}
        for row in self._trial_rows(" AND ".join(("status <> 'void'", *where)), tuple(where.values())):
            try:
                trial = trial_of(row)
            except RowError as error:
                self._leave_out(error)
            else:
                yield trial

    def _trial_rows(self, condition: str, values: Sequence[object] = ()) -> Iterator[TrialRow]:
        with as_written(self.path):
            for number, _, row in scan(self._db, TABLES[TrialRow], condition, values):
                if isinstance(row, RowError):
                    self._leave_out(row)
                elif ("trial", number) not in self.left_out:
                    yield row

    def telemetry(self, trial: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """One trial's telemetry as devices and samples, in time order of each.

        A sample that no sweep wrote is left out.
        """
        samples = []
        with as_written(self.path):
            for number, _, row in scan(self._db, TABLES[TelemetryRow], "trial = ?", (trial,)):
                try:
                    samples.append(check_sample(number, row))
                except RowError as error:
                    self._leave_out(error)
        for sample in sorted(samples, key=lambda sample: (sample.device, sample.at_s)):
            yield sample.device, sample.sample


def digest(text: str) -> str:
    """The SHA-256 of an experiment's text, or of a part of it."""
    return hashlib.sha256(text.encode()).hexdigest()


def wanted_of(experiment: ExperimentRow) -> TrialsWanted:
    """The trials that an experiment requests, before any look."""
    return TrialsWanted(experiment.least, experiment.trials, experiment.until)


def wrong_in_cell(cell: Cell, name: str, node_count: int | None) -> tuple[str, str] | None:
    """The first column of a cell's row that contradicts another, and why.

    Args:
        name: Its stored id.
        node_count: Of its bundle; None where that is unknown.
    """
    if cell.id != name:
        return "id", f"the cell's other columns give {cell.id}"
    if len(cell.devices) != len(cell.cuts) + 1 or list(cell.cuts) != sorted(cell.cuts):
        return "cuts", f"{list(cell.cuts)} do not cut a chain of {len(cell.devices)} devices"
    if node_count is not None and max(cell.cuts, default=0) > node_count:
        return "cuts", f"{list(cell.cuts)} lie beyond the last of {node_count} nodes"
    return None
