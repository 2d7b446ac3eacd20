"""Rows that no sweep wrote, in every table and column, before every reader.

The values follow from the tables, so a new column is attacked without a new test.
"""

import contextlib
import itertools
import json
import os
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import pytest

from analysis.__main__ import main
from analysis.data.sweep import load
from analysis.errors import AnalysisError
from analysis.study import Study
from controller.errors import ControllerError
from controller.live.follower import Follower
from controller.live.view import line, panel
from controller.results import Store, reference_boxes
from controller.results.check.command import run_check
from controller.results.encoding import SUM
from controller.results.tables import TABLES
from controller.sweep.search.profiling import stored_profiles
from controller.sweep.todo import PendingWork
from tests.results_files import seal, write_full

_ALL: Final = os.environ.get("ODD_ROWS") == "all"
_MOST: Final = 1_000_000 if _ALL else 2
"""So many of the odd values of a row's column are tried; ODD_ROWS=all tries each, which takes its time."""

pytestmark = [pytest.mark.timeout(0)] if _ALL else []

_NAMES: Final = [table.name for table in TABLES.values()]
_SCALARS: Final[tuple[Any, ...]] = (
    *(None, "", "no", b"\xff\x00", -1, 0, 2.5, 1 << 62, 1e308, float("inf")),
    *("[" * 100_000, '{"a": 1}', "2026-02-30T00:00:00+00:00", "x" * 100_000),
)
_PARTS: Final[tuple[Any, ...]] = (None, "no", -1, 1e308, float("nan"), True, [], {}, [[[1]]])


class Mutation(NamedTuple):
    """Another value for a column of a row."""

    table: str
    row: int
    column: str
    value: Any


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_full(tmp_path_factory.mktemp("whole") / "r.sqlite").read_bytes()


def mutations(content: bytes, name: str) -> Iterator[Mutation]:
    """Of the first and the last row of a table."""
    (table,) = (table for table in TABLES.values() if table.name == name)
    with contextlib.closing(_opened(content)) as db:
        rows = db.execute(f"SELECT rowid, {', '.join(table.names)}, {SUM} FROM {name}").fetchall()
    assert rows, f"write_full leaves {name} empty"
    for number, *values in dict.fromkeys((rows[0], rows[-1])):
        for column, value in zip((*table.names, SUM), values, strict=True):
            for odd in (*_SCALARS, *_odd_parts(value), *_odd_bytes(value)):
                if odd == value:
                    continue
                yield Mutation(name, number, column, odd)


def _odd_parts(value: object) -> Iterator[str]:
    """JSON with a part that is none, of another type, out of bounds, absent, or there twice."""
    if not isinstance(value, str) or value[:1] not in ("[", "{"):
        return
    for path in _paths(json.loads(value)):
        for odd in _PARTS:
            yield json.dumps(_changed(json.loads(value), path, odd))
        without = json.loads(value)
        inner = _at(without, path[:-1])
        del inner[path[-1]]
        yield json.dumps(without)
    if value[0] == "{" and len(value) > 2:
        key = json.dumps(next(iter(json.loads(value))))
        yield f"{value[:-1]},{key}:-1}}"


def _paths(document: Any) -> Iterator[tuple[Any, ...]]:
    """Of every part, but of lists only the ends."""
    if isinstance(document, dict):
        keys: list[Any] = list(document)
    elif isinstance(document, list):
        keys = sorted({0, len(document) - 1}) if document else []
    else:
        return
    for key in keys:
        yield (key,)
        yield from ((key, *path) for path in _paths(document[key]))


def _at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def _changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    _at(document, path[:-1])[path[-1]] = value
    return document


def _odd_bytes(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield from (
            value[:-1],
            value + b"\0",
            value * 2,
            value[: len(value) // 2] + b"\0" + value[len(value) // 2 :],
        )


def _opened(content: bytes) -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.deserialize(content)
    db.execute("PRAGMA ignore_check_constraints = ON")
    return db


def written(path: Path, content: bytes, mutation: Mutation, *, sealed: bool) -> bool:
    """Write the file with a mutation, its sums right or wrong; False where SQLite refuses it."""
    with contextlib.closing(_opened(content)) as db:
        try:
            statement = f"UPDATE {mutation.table} SET {mutation.column} = ? WHERE rowid = ?"
            db.execute(statement, (mutation.value, mutation.row))
            if sealed and mutation.column != SUM:
                seal(db)
            db.commit()
        except sqlite3.IntegrityError:
            return False
        path.write_bytes(db.serialize())
    return path.read_bytes() != content


def read(path: Path) -> None:
    """Read the file as the report, the viewer, the check and a resumed sweep do."""
    try:
        Study.of(load(path))
    except ControllerError:
        pass
    except AnalysisError as error:
        # What is raised where nobody expects it.
        if error.__cause__ is not None:
            raise error.__cause__ from None
    with contextlib.suppress(ControllerError):
        run_check(path)
    with contextlib.suppress(ControllerError):
        follower = Follower(path)
        follower.look()
        if follower.snapshot is not None:
            line(follower.snapshot, follower.left_s)
            panel(follower.snapshot, follower.left_s)
    with contextlib.suppress(ControllerError), Store.append(path) as store:
        wanted = store.trials_wanted()
        text = "name: demo\nseed: 7\ntrials: 1\n"
        store.check_experiment(text, text, wanted)
        resolved: Any = SimpleNamespace(experiment=SimpleNamespace(trials_wanted=wanted), samples=128)
        pending = PendingWork(resolved, store)
        pending.anything(store.cells())
        reference_boxes(store, ["lan"])
        store.last_started_at("lan", 0)
        stored_profiles(store)
        for kind in TABLES:
            store.rows(kind)


def some(content: bytes, table: str) -> Iterator[Mutation]:
    rng = random.Random(table)
    for _, group in itertools.groupby(mutations(content, table), key=lambda each: each[1:3]):
        of_column = list(group)
        yield from rng.sample(of_column, min(_MOST, len(of_column)))


@pytest.mark.parametrize("table", _NAMES)
def test_no_reader_fails_on_a_row_that_no_sweep_wrote(table: str, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    for mutation in some(whole, table):
        if written(path, whole, mutation, sealed=True):
            try:
                read(path)
            except Exception as error:
                raise AssertionError(str(mutation)[:300]) from error


@pytest.mark.parametrize("table", ["trial", "telemetry"])
def test_a_trial_with_another_value_is_named(table: str, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    for mutation in some(whole, table):
        if written(path, whole, mutation, sealed=False):
            try:
                assert load(path).left_out, str(mutation)[:300]
            except (AnalysisError, ControllerError) as error:
                assert str(path) in str(error)


@pytest.mark.parametrize(("table", "column"), [("trial", "hops"), ("bundle", "manifest")])
@pytest.mark.parametrize("command", ["report", "best", "compare", "export"])
def test_commands_end_in_one_line(
    command: str, table: str, column: str, whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "whole.sqlite").write_bytes(whole)
    path, out = tmp_path / "r.sqlite", str(tmp_path / "out")
    arguments = {
        "report": [str(path), "--out", out, "--figures", ""],
        "best": [str(path)],
        "compare": [str(path), str(tmp_path / "whole.sqlite")],
        "export": [str(path), "--out", out],
    }
    with contextlib.closing(_opened(whole)) as db:
        db.execute(f"UPDATE {table} SET {column} = '[]'")
        db.commit()
        path.write_bytes(db.serialize())
    assert main([command, *arguments[command]]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"table {table}, row 1, column {column}: Expected" in said
