"""The results file: nothing lost, nothing twice, nothing of another experiment."""

import contextlib
import sqlite3
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest

from controller.errors import StoreError
from controller.results import (
    SATURATING,
    Accuracy,
    Attempt,
    Block,
    Cell,
    Course,
    DeviceRow,
    FullSpeed,
    Hop,
    Link,
    MeasuredLink,
    Results,
    Saturation,
    Settings,
    Store,
    TimeAlone,
    Trial,
)
from controller.results.check import run_check
from controller.statistics.steady_state import Bounded, Steady
from tests.fuzz.seeds import seeds
from tests.results_files import edited
from worker.records import ENDPOINT, HOP

MANIFEST = '{"node_count": 60, "cut_points": []}'

CELL = Cell(
    model="tiny",
    bundle="b0",
    cuts=(2,),
    label="block.0 @2",
    devices=("pi", "server"),
    depth=1,
    batch=1,
    network="lan",
    shaping="emulated",
)


def create(path: Path, text: str = "name: demo") -> Store:
    return Store.create(
        path, name="demo", text=text, seed=1, trials=3, created_at="2026-01-01T00:00:00+00:00"
    )


def prepared(path: Path) -> Store:
    store = create(path)
    store.add_environment("2026-01-01T00:00:00+00:00", {"lab": "local"}, [DeviceRow("pi", "local", 8.0, {})])
    store.add_bundle("b0", "tiny", MANIFEST)
    store.add_network("lan", 0, "emulated", {"delay_ms": 0.2})
    store.add(CELL)
    return store


def a_trial(number: int = 0) -> Trial:
    endpoint = np.zeros(3, ENDPOINT)
    endpoint["request"], endpoint["counted"] = [0, 1, 2], [0, 1, 1]
    endpoint["latency_s"] = [0.1, 0.2, 0.3]
    rows = np.zeros(3, HOP)
    rows["request"], rows["compute_s"] = [0, 1, 2], 0.05
    return Trial(
        cell=CELL.id,
        number=number,
        started_at="2026-01-01T00:00:01+00:00",
        elapsed_s=0.6,
        checked=3,
        worst_error=1e-7,
        hops=(Hop("pi", 0, 2, 1, 0.01, 0.05),),
        links=(Link("pi", "server", 32),),
        endpoint_rows=endpoint,
        hop_rows=(rows,),
        environment=1,
        telemetry={"pi": [{"at_s": 1.0, "process_rss_bytes": 5}]},
    )


def test_a_trial_comes_back_as_it_went_in(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        number = store.add_trial(a_trial())

    with Results.open(tmp_path / "r.sqlite") as results:
        (trial,) = results.trials(CELL.id)
        assert results.cells() == [CELL]
        assert trial.hops == a_trial().hops
        assert trial.links == a_trial().links
        assert trial.endpoint_rows.tolist() == a_trial().endpoint_rows.tolist()
        assert trial.hop_rows[0].tolist() == a_trial().hop_rows[0].tolist()
        # The first request only warmed up.
        assert trial.endpoint["request"].tolist() == trial.records[0]["request"].tolist() == [1, 2]
        assert list(results.telemetry(number)) == [("pi", {"at_s": 1.0, "process_rss_bytes": 5})]


def test_objectives_are_kept_in_their_order(tmp_path: Path) -> None:
    with create(tmp_path / "default.sqlite") as store:
        assert store.objectives() == ("latency", "throughput")
    options: dict[str, Any] = {"seed": 1, "trials": 3, "created_at": "2026-01-01T00:00:00+00:00"}
    path = tmp_path / "r.sqlite"
    Store.create(path, name="demo", text="t", objectives=("payload", "latency"), **options).close()
    with Results.open(path) as results:
        assert results.objectives() == ("payload", "latency")
    with edited(path) as db:
        db.execute("UPDATE experiment SET objectives = '[\"speed\"]'")
    with Results.open(path) as results, pytest.raises(StoreError, match="r.sqlite holds rows that no sweep"):
        results.objectives()


@pytest.mark.parametrize("field", [field.name for field in fields(Cell) if field.name != "label"])
def test_every_field_of_a_cell_but_its_label_is_in_its_id(field: str) -> None:
    other: dict[str, Any] = {field: "other"}
    assert replace(CELL, **other).id != CELL.id
    assert replace(CELL, label="other").id == CELL.id


def test_load_and_course_come_back(tmp_path: Path) -> None:
    cell = replace(CELL, load="poisson:p90<=50ms", prefetch=2)
    attempts = (Attempt(20.0, None, kept=False), Attempt(10.0, 0.04, kept=True))
    course = Course(
        stable=True,
        rate_per_s=10.0,
        seed=77,
        steady=Steady(Bounded(0.8, 0.7, 0.9), None, {"p50": Bounded(0.1, 0.09, None), "p90": None}),
        highest=Bounded(10.5, 10.0, 11.0),
        attempts=attempts,
        bound_kept=True,
        jitter_seeds={"pi -> server": 5},
    )
    with prepared(tmp_path / "r.sqlite") as store:
        store.add(cell)
        store.add_trial(replace(a_trial(), cell=cell.id, course=course))

    with Results.open(tmp_path / "r.sqlite") as results:
        assert results.cells() == [CELL, cell]
        assert [trial.course for trial in results.trials()] == [course]


def test_the_first_time_at_full_speed_of_a_stage_stays(tmp_path: Path) -> None:
    first = FullSpeed(CELL.bundle, "pi", 0, 2, 1, 1, 0.01, "2026-01-01T00:00:00+00:00")
    other = replace(first, batch=8, compute_s=0.03)
    with prepared(tmp_path / "r.sqlite") as store:
        for row in (first, replace(first, compute_s=0.02), other):
            store.add(row, environment=1)
    with Results.open(tmp_path / "r.sqlite") as results:
        assert results.rows(FullSpeed) == [first, other]


def test_the_last_time_alone_of_a_stage_in_a_block_counts(tmp_path: Path) -> None:
    first = TimeAlone("lan", 0, CELL.bundle, "pi", 0, 2, 1, 1, 0.01, "2026-01-01T00:00:00+00:00")
    next_block = replace(first, block=1, compute_s=0.03)
    with prepared(tmp_path / "r.sqlite") as store:
        store.add(*(Block("lan", number, first.taken_at) for number in (0, 1)))
        for row in (first, next_block, replace(first, compute_s=0.02)):
            store.add(row, environment=1)
    with Results.open(tmp_path / "r.sqlite") as results:
        assert results.rows(TimeAlone, block=0) == [replace(first, compute_s=0.02)]
        assert results.rows(TimeAlone, block=1) == [next_block]


def test_a_finished_trial_cannot_be_committed_twice(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        store.add_trial(a_trial())

        with pytest.raises(StoreError):
            store.add_trial(a_trial())

        assert store.finished() == {(CELL.id, 0)}


def test_a_void_trial_is_kept_with_its_reason_but_stays_wanted(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        store.add_void(CELL.id, 0, 1, "2026-01-01T00:00:01+00:00", "pi: lost", "pi")
        store.add_trial(a_trial())

        assert store.voids()[0][2:4] == ("pi: lost", "pi")
        assert store.finished() == {(CELL.id, 0)}


def test_what_a_writer_that_died_did_not_commit_is_not_there(tmp_path: Path) -> None:
    store = prepared(tmp_path / "r.sqlite")
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("DELETE FROM cell")
    store._db.close()

    with Results.open(tmp_path / "r.sqlite") as results:
        assert results.cells() == [CELL]


def test_a_report_can_read_while_a_sweep_writes(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store, Results.open(tmp_path / "r.sqlite") as results:
        store.add_trial(a_trial())

        assert not list(results.trials())
        with Results.open(tmp_path / "r.sqlite") as later:
            assert len(list(later.trials())) == 1


def test_a_closed_file_is_one_file_and_reading_leaves_nothing_beside_it(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        store.add_trial(a_trial())
    with Results.open(tmp_path / "r.sqlite") as results:
        assert len(list(results.trials())) == 1

    assert [path.name for path in tmp_path.iterdir()] == ["r.sqlite"]


def test_results_of_another_experiment_are_refused_by_name(tmp_path: Path) -> None:
    create(tmp_path / "r.sqlite").close()

    with pytest.raises(StoreError, match=r"r\.sqlite holds results of another experiment \(demo\)"):
        create(tmp_path / "r.sqlite", text="name: other")
    # Left as it was found: one file, that can be read where nothing can be written.
    assert [path.name for path in tmp_path.iterdir()] == ["r.sqlite"]
    with contextlib.closing(sqlite3.connect(tmp_path / "r.sqlite")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to be looked at", b""])
def test_a_file_that_is_no_results_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.sqlite"
    path.write_bytes(content)

    with pytest.raises(StoreError, match=r"r\.sqlite"):
        Results.open(path)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(StoreError, match="choose a writable folder"):
        create(tmp_path / "file" / "r.sqlite")


def test_other_conditions_under_the_same_profile_name_are_refused(tmp_path: Path) -> None:
    with (
        prepared(tmp_path / "r.sqlite") as store,
        pytest.raises(StoreError, match="network 'lan' had other conditions"),
    ):
        store.add_network("lan", 0, "emulated", {"delay_ms": 0.3})


def test_a_device_that_became_another_is_refused(tmp_path: Path) -> None:
    with (
        prepared(tmp_path / "r.sqlite") as store,
        pytest.raises(
            StoreError,
            match="pi was local, slowdown 8, threads 1, but now it is local, slowdown 4, threads 1",
        ),
    ):
        store.add_environment("2026-01-02T00:00:00+00:00", {}, [DeviceRow("pi", "local", 4.0, {})])


def test_cells_differ_by_everything_but_their_label() -> None:
    assert replace(CELL, label="another").id == CELL.id
    changed = [
        replace(CELL, cuts=(3,)),
        replace(CELL, devices=("server", "pi")),
        replace(CELL, depth=4),
        replace(CELL, batch=8),
        replace(CELL, network="wifi"),
        replace(CELL, shaping="tc"),
        replace(CELL, source="controller"),
        replace(CELL, bundle="b1"),
    ]
    assert len({CELL.id, *(cell.id for cell in changed)}) == len(changed) + 1


def test_a_cell_comes_back_with_every_setting_and_each_makes_another_cell(tmp_path: Path) -> None:
    others = {str: "other", int: 7, bool: True, int | None: 7, str | None: "other"}
    hints = get_type_hints(Settings)
    changes: list[dict[str, Any]] = [{s.name: others[hints[s.name]]} for s in fields(Settings)]
    for change in changes:
        if "role" in change:
            # Such a depth is 0 until it is found.
            change["depth"] = 0
    cells = [CELL, *(replace(CELL, **change) for change in changes)]
    with prepared(tmp_path / "r.sqlite") as store:
        store.add(*cells)
        assert store.cells() == cells
        ids = store.connection.execute("SELECT id FROM cell")
        assert {name for (name,) in ids} == {cell.id for cell in cells}
    assert len({cell.id for cell in cells}) == len(cells) == 1 + len(fields(Settings))


LINK = MeasuredLink(
    network="lan",
    sender="pi",
    receiver="server",
    requested={"delay_ms": 0.2, "rate_mbit": None},
    measured={"round_trip_ms": 0.44, "tcp_mbit": 941.0},
    taken_at="2026-01-01T00:00:00+00:00",
)


def test_a_measured_link_comes_back_and_the_sweep_may_come_after_it(tmp_path: Path) -> None:
    with Store.append(tmp_path / "r.sqlite") as store:
        store.add(LINK)
    with prepared(tmp_path / "r.sqlite") as store:
        store.add(replace(LINK, environment=1))

    with Results.open(tmp_path / "r.sqlite") as results:
        assert results.rows(MeasuredLink) == [LINK, replace(LINK, environment=1)]


def test_a_device_that_was_away_must_come_back_as_it_was(tmp_path: Path) -> None:
    at = "2026-01-01T00:00:00+00:00"
    pi, server = DeviceRow("pi", "local", 8.0, {}), DeviceRow("server", "local", 1.0, {})
    with create(tmp_path / "r.sqlite") as store:
        store.add_environment(at, {}, [pi, server])
        store.add_environment(at, {}, [pi])

        assert store.found_devices().last == (pi, server)
        with pytest.raises(StoreError, match="device server was local, slowdown 1, .*now it is .*slowdown 2"):
            store.add_environment(at, {}, [pi, replace(server, slowdown=2.0)])
        store.add_environment(at, {}, [replace(server, stamp={"kernel": "6.12"})])
        assert store.found_devices().last == (pi, replace(server, stamp={"kernel": "6.12"}))


@pytest.mark.parametrize(
    ("least", "most", "why"),
    [(0, 5, "column least"), (6, 5, "least 6, most 5"), (3, -1, "column trials")],
)
def test_trials_that_no_experiment_has_are_the_files_fault(
    tmp_path: Path, least: int, most: int, why: str
) -> None:
    path = tmp_path / "r.sqlite"
    path.write_bytes(seeds("results")["sweep"])
    with edited(path) as db:
        db.execute("UPDATE experiment SET least = ?, trials = ?, until = 0.95", (least, most))
    with Store.append(path) as store, pytest.raises(StoreError, match=why):
        store.trials_wanted()


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_IOERR_READ])
def test_a_file_that_cannot_be_read_just_now_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def select(*_: object) -> None:
        error = sqlite3.OperationalError("not now")
        error.sqlite_errorcode = code
        raise error

    with create(tmp_path / "r.sqlite") as store:
        monkeypatch.setattr("controller.results.reading.select", select)
        with pytest.raises(sqlite3.OperationalError, match="not now"):
            store.environments()


def test_cells_have_the_depths_that_were_found_and_stay_the_same_cells(tmp_path: Path) -> None:
    auto = replace(CELL, depth=0, role=SATURATING)
    with prepared(tmp_path / "r.sqlite") as store:
        store.add(auto)
        assert store.cells() == [CELL, auto]
        store.add(Saturation(auto.id, 12, True, {"12": 99.0, "24": 100.0}))
        assert store.cells() == [CELL, replace(auto, depth=12)]
    assert {replace(auto, depth=depth).id for depth in (0, 12, 27)} == {auto.id} != {CELL.id}
    assert auto.split_id == CELL.split_id == replace(CELL, depth=4).split_id


ENDLESS = (
    "CREATE VIEW trial AS WITH RECURSIVE endless(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM endless) "
    "SELECT id FROM endless"
)


@pytest.mark.parametrize(
    ("statements", "name"),
    [
        (("DROP TABLE trial", ENDLESS), "trial"),
        (("DROP TABLE meta", ENDLESS.replace("VIEW trial", "VIEW meta")), ""),
        (("DROP INDEX trial_done",), "trial_done"),
        (("CREATE TRIGGER more AFTER INSERT ON trial BEGIN DELETE FROM cell; END",), "more"),
        (("CREATE TABLE more (name TEXT)",), "more"),
        (("ALTER TABLE cell ADD COLUMN more TEXT",), "cell"),
    ],
    ids=["view", "view for meta", "index", "trigger", "table", "column"],
)
def test_what_edgecut_does_not_make_is_refused_before_it_is_read(
    tmp_path: Path, statements: tuple[str, ...], name: str
) -> None:
    path = tmp_path / "r.sqlite"
    prepared(path).close()
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        for statement in statements:
            db.execute(statement)
    why = rf"\({name} is not as edgecut makes it\)" if name else "is not a results file of this edgecut"
    for opened in (Results.open, Store.append, run_check):
        with pytest.raises(StoreError, match=why):
            opened(path)


def test_a_bad_trial_is_left_out_and_named_and_a_sweep_does_not_resume_over_it(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    with prepared(path) as store:
        for number in range(3):
            store.add_trial(a_trial(number))
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE trial SET elapsed_s = 0.3 WHERE id = 2")
        db.execute("UPDATE telemetry SET sample = '[' WHERE rowid = 3")
    with Results.open(path) as results:
        assert [trial.number for trial in results.trials()] == [0, 2]
        assert list(results.telemetry(3)) == []
        assert results.left_out == {
            ("trial", 2): "table trial, row 2, column sum: does not match the row's other columns",
            ("telemetry", 3): "table telemetry, row 3, column sample: Expected `object`, got `array`",
        }
    with pytest.raises(StoreError, match="trial, row 2, column sum.* to run that trial again: .*--save"):
        create(path)
    assert not run_check(path, tmp_path / "saved.sqlite")
    with create(tmp_path / "saved.sqlite") as store:
        assert store.finished() == {(CELL.id, 0), (CELL.id, 2)}


def test_a_figure_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        with pytest.raises(StoreError, match="r.sqlite: cannot be written"):
            store.add_trial(replace(a_trial(), links=(Link("pi", "server", 32, rate_mbit=float("nan")),)))
        assert not store.finished()


def test_what_no_reader_would_accept_is_not_written(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        telemetry = {"pi": [{"at_s": 1.0, "process_rss_bytes": 2**60}]}
        with pytest.raises(StoreError, match="cannot be written .*table telemetry, .* column sample"):
            store.add_trial(replace(a_trial(), telemetry=telemetry))
        with pytest.raises(StoreError, match="cannot be written .*table block, .* column started_at"):
            store.add(Block("lan", 9, "yesterday"))
        assert not store.finished()


def test_an_error_of_a_result_that_is_not_a_number_comes_back_as_infinite(tmp_path: Path) -> None:
    with prepared(tmp_path / "r.sqlite") as store:
        accuracy = Accuracy(CELL.bundle, (2,), 3, None, None, float("inf"))
        store.add(accuracy)
        assert store.rows(Accuracy) == [accuracy]
