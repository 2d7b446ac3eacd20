"""Results files with other content, as someone writes it who knows how rows are summed."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from controller.results import (
    Attempt,
    CodecAccuracy,
    Course,
    FullSpeed,
    Look,
    MeasuredLink,
    Predicted,
    Profiling,
    Saturation,
    Scope,
    Store,
    TimeAlone,
)
from controller.results.encoding import SUM
from controller.results.tables import TABLES
from controller.statistics.steady_state import Bounded, Steady
from tests.unit.analysis.synthetic import AT, BUNDLE, NODES, Physics, write_sweep

__all__ = ["edited", "seal", "write_full"]


@contextlib.contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    """The database of a results file; on exit the sums match the rows again."""
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        yield db
        seal(db)


def seal(db: sqlite3.Connection) -> None:
    """Make each row's sum match the row; a row with half a character has none, and stays."""
    db.text_factory = lambda content: content.decode(errors="surrogateescape")
    for table in TABLES.values():
        rows = db.execute(f"SELECT rowid, {', '.join(table.names)}, {SUM} FROM {table.name}").fetchall()
        for number, *values, before in rows:
            with contextlib.suppress(UnicodeEncodeError):
                if (after := table.sum_of(values)) != before:
                    db.execute(f"UPDATE {table.name} SET {SUM} = ? WHERE rowid = ?", (after, number))


def write_full(path: Path) -> Path:
    """Write a small sweep with at least a row in every table."""
    write_sweep(
        path, physics=Physics(networks={"lan": (20.0, 0.005)}), cuts=(0, 30, NODES), trials=1, voids=(30,)
    )
    with Store.append(path) as store:
        cell = store.cells()[0]
        coded = replace(cell, codec="uint8", cuts=(30,), depth=2)
        open_cell = replace(cell, load="poisson:20/s", cuts=(30,), depth=8)
        store.add(
            *(
                coded,
                open_cell,
                Predicted(cell.id, 0.02),
                Scope("lan", "planned", 9, "front stands", {BUNDLE: 3}),
            ),
            Saturation(cell.id, 4, True, {"4": 20.0, "8": 20.1}),
            Look("lan", 1, (cell.id,), 0.9, "sure"),
            Profiling(BUNDLE, 1, 0, 2.5, "{}"),
            CodecAccuracy(BUNDLE, (30,), cell.devices, "first", "uint8", 1, 128, 0.95, 0.94, 1e-3, 1e-2),
        )
        store.add(
            MeasuredLink("lan", "pi", "server", {"rate_mbit": 20.0}, {"rate_mbit": 19.0, "lost": 1}, AT, 1)
        )
        store.add(TimeAlone("lan", 0, BUNDLE, "pi", 0, 30, 1, 1, 0.02, AT), environment=1)
        store.add(FullSpeed(BUNDLE, "pi", 0, 30, 1, 1, 0.002, AT), environment=1)
        (trial,) = store.trials(replace(cell, cuts=(30,)).id)
        bounded = Bounded(0.1, 0.09, 0.11)
        course = Course(
            stable=True,
            rate_per_s=20.0,
            seed=7,
            steady=Steady(bounded, bounded, {"p50": bounded}),
            highest=bounded,
            attempts=(Attempt(20.0, 0.1, kept=True),),
            bound_kept=True,
            jitter_seeds={"pi -> server": 5},
        )
        sample = {"process_memory_bytes": 5_000_000, "frequency_mhz": 600.0, "throttled": 0}
        telemetry = {name: [sample | {"at_s": at_s} for at_s in (1.0, 2.0)] for name in cell.devices}
        for other, changed in ((coded, Course()), (open_cell, course)):
            store.add_trial(replace(trial, cell=other.id, course=changed, telemetry=telemetry))
    return path
