"""`controller check`: every error that is planted is found, and what a damaged file holds is saved."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from controller.errors import StoreError
from controller.results import Block, Cell, DeviceRow, Hop, Link, Results, Store, Trial
from controller.results.check import run_check
from controller.results.records import pack
from exporter.bundle.manifest import digest_of
from tests.results_files import seal, write_full
from tests.unit.analysis.synthetic import write_sweep
from worker.records import ENDPOINT, HOP

MANIFEST = {"model": "tiny", "node_count": 4, "cut_points": []}
BUNDLE = digest_of(MANIFEST)
CELL = Cell(
    model="tiny",
    bundle=BUNDLE,
    cuts=(2,),
    label="block.0 @2",
    devices=("pi", "server"),
    depth=1,
    batch=1,
    network="lan",
    shaping="emulated",
)
USE = {
    "by": "kernel",
    "frames": 2,
    "elapsed_s": 2.0,
    "busy_s": 1.0,
    "rwnd_limited_s": 0.0,
    "sndbuf_limited_s": 0.0,
}
USE |= {"queued_s": 0.0, "carried_bytes": 99, "round_trip_s": 0.001}
Damage = Callable[[Store], object]


def endpoint_rows() -> NDArray[np.void]:
    rows = np.zeros(3, ENDPOINT)
    rows["request"] = [0, 1, 2]
    rows["scheduled_at_s"] = [10.0, 11.0, 12.0]
    rows["finished_at_s"] = [10.5, 11.5, 12.5]
    rows["latency_s"] = 0.5
    rows["counted"] = 1
    return rows


def hop_rows() -> NDArray[np.void]:
    rows = np.zeros(3, HOP)
    rows["request"] = [0, 1, 2]
    rows["received_at_s"] = [10.1, 11.1, 12.1]
    rows["compute_at_s"] = [10.2, 11.2, 12.2]
    rows["compute_s"] = 0.1
    return rows


def a_trial(number: int, **changed: object) -> Trial:
    trial = Trial(
        cell=CELL.id,
        number=number,
        started_at="2026-01-01T00:00:01+00:00",
        elapsed_s=2.5,
        checked=3,
        worst_error=1e-7,
        hops=(Hop("pi", 0, 2, 1, 0.01, 0.05), Hop("server", 2, 4, 1, 0.01, 0.05)),
        links=(Link("pi", "server", 32),),
        endpoint_rows=endpoint_rows(),
        hop_rows=(hop_rows(), hop_rows()),
        environment=1,
        telemetry={"pi": [{"at_s": 1.0}, {"at_s": 2.0}], "server": [{"at_s": 7.0}, {"at_s": 8.0}]},
    )
    return replace(trial, **changed)  # type: ignore[arg-type]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two finished trials of three, and a void one; nothing wrong."""
    store = Store.create(
        tmp_path / "r.sqlite",
        name="demo",
        text="name: demo",
        seed=1,
        trials=3,
        created_at="2026-01-01",
    )
    devices = [DeviceRow(name, "local", 1.0, {}) for name in CELL.devices]
    store.add_environment("2026-01-01T00:00:00+00:00", {"lab": "local"}, devices)
    store.add_bundle(BUNDLE, "tiny", json.dumps(MANIFEST | {"digest": BUNDLE}))
    store.add_network("lan", 0, "emulated", {})
    store.add(CELL, *(Block("lan", number, "2026-01-01T00:00:00+00:00") for number in range(3)))
    store.add_trial(a_trial(0))
    store.add_void(CELL.id, 1, 1, "2026-01-01T00:00:02+00:00", "server: exited", "server")
    store.add_trial(a_trial(1))
    store.connection.execute("PRAGMA foreign_keys = OFF")
    return store


def checked(path: Path, capsys: pytest.CaptureFixture[str], save_to: Path | None = None) -> tuple[bool, str]:
    is_well = run_check(path, save_to)
    return is_well, capsys.readouterr().out


def test_a_file_in_order_is_counted(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(store.path, capsys) == (
        True,
        f"{store.path}: 1 cells, 2 of 3 trials finished, 1 void; no problems\n",
    )


@pytest.mark.parametrize("write", [write_sweep, write_full])
def test_files_that_other_tests_make_up_are_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], write: Callable[[Path], Path]
) -> None:
    is_well, said = checked(write(tmp_path / "r.sqlite"), capsys)
    assert is_well, said[:1000]


def sql(statement: str, *values: object) -> Damage:
    """Damage by someone who knows how rows are summed."""

    def damage(store: Store) -> None:
        store.connection.execute(statement, values)
        seal(store.connection)

    return damage


def with_rows(**changed: NDArray[np.void]) -> Damage:
    """The second trial with other records, as if a writer had made them up."""
    arrays = {"endpoint": endpoint_rows(), "hop0": hop_rows(), "hop1": hop_rows()} | changed
    records = pack(arrays["endpoint"], (arrays["hop0"], arrays["hop1"]))
    return sql("UPDATE trial SET records = ? WHERE number = 1 AND status = 'done'", records)


def with_link(**fields: object) -> Damage:
    """The second trial with another link."""
    link = {"sender": "pi", "receiver": "server", "payload_bytes": 32} | fields
    return sql("UPDATE trial SET links = ? WHERE number = 1 AND status = 'done'", json.dumps([link]))


def changed(rows: NDArray[np.void], **fields: object) -> NDArray[np.void]:
    for field, value in fields.items():
        rows[field] = value
    return rows


LONGER_THAN_WATCHED = (
    '[{"sender":"pi","receiver":"server","payload_bytes":32,"use":{"by":"kernel","frames":3,"elapsed_s":2,'
    '"busy_s":2.1,"rwnd_limited_s":0,"sndbuf_limited_s":0,"queued_s":0,"carried_bytes":99,"round_trip_s":0.001}}]'
)
HOPS_OF_A_STRANGER = '[{"device":"x","start":0,"stop":4,"threads":1,"load_s":1,"alone_s":1}]'


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            sql("UPDATE trial SET links = ? WHERE id = 1", LONGER_THAN_WATCHED),
            "its link from pi to server was in use for an impossible time",
        ),
        (
            sql("UPDATE trial SET cell = 'gone' WHERE id = 1"),
            "table trial, row 1, column cell: refers to a missing cell 'gone'",
        ),
        (
            sql("UPDATE trial SET environment = 9 WHERE id = 1"),
            "table trial, row 1, column environment: refers to a missing environment 9",
        ),
        (
            sql('UPDATE cell SET planted = \'{"pi":{"node_ms":2.0}}\''),
            "has planted times on pi, which is recorded as local",
        ),
        (sql("UPDATE telemetry SET trial = 77 WHERE rowid = 1"), "refers to a missing trial 77"),
        (sql("UPDATE trial SET number = 3 WHERE id = 1"), "is of block 3 under lan, which the file lacks"),
        (sql("UPDATE experiment SET text = 'name: other'"), "its text does not match its digest"),
        (
            sql("INSERT INTO experiment VALUES ('d', 'r', 'other', 't', 0, 3, 3, NULL, '[]', 'then', '')"),
            "holds 2 experiments (demo, other) instead of one",
        ),
        (sql("UPDATE bundle SET manifest = replace(manifest, ':4', ':5')"), "its manifest does not match"),
        (
            sql("DELETE FROM bundle"),
            f"table cell, row 1, column bundle: refers to a missing bundle {BUNDLE!r}",
        ),
        (sql("UPDATE cell SET depth = 2"), f"cell {CELL.id}: id: the cell's other columns give "),
        (
            sql("UPDATE trial SET reason = 'pi: lost' WHERE id = 1"),
            "column reason: a finished trial has none",
        ),
        (
            sql("UPDATE trial SET records = x'00' WHERE status = 'void'"),
            "column records: a void trial has none",
        ),
        (sql("UPDATE trial SET reason = NULL WHERE status = 'void'"), "column reason: a void trial has one"),
        (sql("UPDATE trial SET elapsed_s = NULL WHERE id = 1"), "column elapsed_s: a finished trial has one"),
        (
            sql("UPDATE trial SET requests = 4 WHERE id = 1"),
            "column requests: 4, but 3 rows of its records count",
        ),
        (sql("UPDATE trial SET records = x'504b' WHERE id = 1"), "table trial, row 1, column records: "),
        (
            sql("UPDATE trial SET hops = ? WHERE id = 1", HOPS_OF_A_STRANGER),
            "not the bytes of 3 requests on 1 stages",
        ),
        (
            sql("UPDATE trial SET worst_error = -1 WHERE id = 1"),
            "column worst_error: Expected `float` >= 0.0",
        ),
        (
            sql("UPDATE trial SET hops = replace(hops, 'pi', 'x') WHERE id = 1"),
            "ran on x, but its cell has pi",
        ),
        (sql("DELETE FROM device WHERE name = 'pi'"), "ran on pi, which its environment lacks"),
        (
            sql("UPDATE trial SET hops = replace(hops, '\"stop\":2', '\"stop\":3') WHERE id = 1"),
            "its stages [(0, 3), (2, 4)] are not those of cuts [2]",
        ),
        (with_rows(endpoint=endpoint_rows()[:2]), "not the bytes of 3 requests"),
        (
            sql("UPDATE trial SET elapsed_s = 2.4 WHERE id = 1"),
            "its requests came back in 2.5 s, not in 2.4 s",
        ),
        (sql("UPDATE trial SET digest = 'x' WHERE id = 1"), "measured does not match its digest"),
        (sql("UPDATE trial SET worst_error = 2e-7 WHERE id = 1"), "measured does not match its digest"),
        (sql("DELETE FROM telemetry WHERE rowid = 1"), "trial 1 (number 0 of cell"),
        (sql("UPDATE experiment SET least = 4"), "at least 4 trials, but at most 3"),
        (
            lambda store: store.connection.execute("UPDATE network SET shaping = 'tc'"),
            "table network, row 1, column sum: does not match",
        ),
        (with_rows(endpoint=changed(endpoint_rows(), counted=[0, 1, 1])), "column requests: 3, but 2 rows"),
        (with_rows(hop1=hop_rows()[:2]), "not the bytes of 3 requests on 2 stages"),
        (
            with_rows(hop0=changed(hop_rows(), request=[0, 1, 7])),
            "hop 0: its requests are not 0 to 2 in order",
        ),
        (
            with_rows(endpoint=changed(endpoint_rows(), request=[0, 1, 1])),
            "endpoint: its requests are not 0 to 2 in order",
        ),
        (with_rows(endpoint=changed(endpoint_rows(), latency_s=0.4)), "latency_s is not finished_at_s"),
        (with_rows(endpoint=changed(endpoint_rows(), wait_source_s=-1)), "wait_source_s is negative"),
        (
            with_rows(hop0=changed(hop_rows(), compute_s=np.nan)),
            "hop 0: compute_s is negative or not a number",
        ),
        (
            with_rows(hop0=changed(hop_rows(), compute_s=0.6)),
            "took longer for a request than the whole pipeline",
        ),
        (with_rows(hop0=changed(hop_rows(), compute_at_s=[3, 2, 1])), "compute_at_s runs backwards"),
        (with_rows(hop0=changed(hop_rows(), received_at_s=99)), "computed a request before receiving it"),
        (
            with_rows(
                endpoint=changed(
                    endpoint_rows(), scheduled_at_s=[12, 11, 10], finished_at_s=[12.5, 11.5, 10.5]
                )
            ),
            "finished_at_s runs backwards",
        ),
        (with_link(use=USE | {"frames": 3}), "its link from pi to server had 3 frames of at most 2"),
        (
            with_link(use=USE | {"busy_s": 2.1}),
            "its link from pi to server was in use for an impossible time",
        ),
        (with_link(codec="uint8"), "its link from pi to server has codec uint8, but None encoded bytes"),
        (with_link(codec="uint8", encoded_bytes=33), "its link from pi to server made 33 of 32 bytes"),
        (
            sql("UPDATE telemetry SET at_s = 0.5, sample = '{\"at_s\":0.5}' WHERE rowid = 2"),
            "telemetry of pi runs backwards",
        ),
        (
            sql("UPDATE telemetry SET sample = '{\"at_s\":null}' WHERE rowid = 2"),
            "table telemetry, row 2, column sample: is not of 2.0 s",
        ),
        (
            sql("UPDATE telemetry SET at_s = 0.5 WHERE rowid = 2"),
            "table telemetry, row 2, column sample: is not of 0.5 s",
        ),
        (
            sql(
                "INSERT INTO baseline (model, network, bundle, device, batch, number, threads, environment, "
                "taken_at, compute_s, is_fixed, sum) "
                "VALUES ('tiny', 'lan', ?, 'pi', 1, 0, 1, 1, 'then', '[0.1, -1]', 0, '')",
                BUNDLE,
            ),
            "table baseline, row 1, column compute_s: Expected `float` > 0.0",
        ),
        (
            sql(
                "INSERT INTO full_speed (bundle, device, start, stop, batch, threads, environment, taken_at, "
                "compute_s, sum) VALUES (?, 'pi', 0, 2, 1, 1, 1, 'then', 0, '')",
                BUNDLE,
            ),
            "table full_speed, row 1, column compute_s: Expected `float` > 0.0",
        ),
        (
            sql(
                "INSERT INTO time_alone (network, block, bundle, device, start, stop, batch, threads, "
                "environment, taken_at, compute_s, sum) "
                "VALUES ('lan', 0, ?, 'pi', 0, 2, 1, 1, 1, 'then', -1, '')",
                BUNDLE,
            ),
            "table time_alone, row 1, column compute_s: Expected `float` > 0.0",
        ),
        (
            sql("INSERT OR REPLACE INTO reference_box VALUES (?, 'lan', 0.1, 0, '')", BUNDLE),
            "table reference_box, row 1, column sample_s: Expected `float` > 0.0",
        ),
    ],
)
def test_a_planted_error_is_found(
    store: Store, capsys: pytest.CaptureFixture[str], damage: Damage, told: str
) -> None:
    damage(store)

    is_well, said = checked(store.path, capsys)

    assert not is_well
    assert told in said
    assert "problem" in said.splitlines()[-1]


def filled(store: Store) -> Path:
    """A file of many pages, closed."""
    rng = np.random.default_rng(0)
    noise = changed(endpoint_rows(), prepare_s=rng.random(3))
    cells = [replace(CELL, depth=depth) for depth in range(2, 60)]
    store.add(*cells)
    for cell in cells:
        for number in range(3):
            store.add_trial(a_trial(number, cell=cell.id, endpoint_rows=noise))
    store.close()
    return store.path


def test_a_file_cut_short_is_told_in_a_line_and_what_it_holds_is_saved(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = filled(store)
    whole = 2 + 58 * 3
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)

    is_well, said = checked(path, capsys)
    assert not is_well
    assert said.startswith("the file is damaged: ")
    assert f"check {path} --save NEW/results.sqlite, then resume the sweep with --results NEW\n" in said
    for opened in (Results.open, Store.append):
        with pytest.raises(StoreError, match="is damaged .* to salvage its readable part"):
            opened(path)

    saved = tmp_path / "saved.sqlite"
    _, said = checked(path, capsys, saved)
    with Results.open(saved) as results:
        assert 10 < len(results.finished()) < whole
        assert f"saved {len(results.finished())} finished trials" in said
        assert results.experiment()["name"] == "demo"
    assert checked(saved, capsys)[0]
    with Store.append(saved) as again:
        assert again.cells()


def test_of_a_torn_last_page_all_other_trials_are_saved(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = filled(store)
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - 4096 + 100)
        file.write(bytes(3996))

    assert not checked(path, capsys)[0]
    saved = tmp_path / "saved.sqlite"
    checked(path, capsys, saved)
    assert checked(saved, capsys)[0]
    with Results.open(saved) as results:
        assert len(results.finished()) > 150


def test_records_that_are_torn_within_are_found_and_left_out(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blob = store.connection.execute("SELECT records FROM trial WHERE id = 1").fetchone()[0]
    torn = blob[: len(blob) // 2] + bytes(len(blob) - len(blob) // 2)
    store.connection.execute("UPDATE trial SET records = ? WHERE id = 1", (torn,))

    is_well, said = checked(store.path, capsys, tmp_path / "saved.sqlite")

    assert not is_well
    assert "table trial, row 1, column sum" in said
    with Results.open(tmp_path / "saved.sqlite") as results:
        assert results.finished() == {(CELL.id, 1)}


@pytest.mark.parametrize(
    ("table", "flip"),
    [
        ("environment", 'stamp = \'{"lab":"mocal"}\''),
        ("bundle", "model = 'uiny'"),
        ("network", "shaping = 'tc'"),
        ("cell", "label = 'a label'"),
        ("block", "started_at = '2026-01-01T00:00:01+00:00'"),
    ],
)
def test_a_row_that_trials_refer_to_is_kept_and_named_if_its_sum_alone_is_wrong(
    table: str, flip: str, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.connection.execute(f"UPDATE {table} SET {flip}")
    saved = tmp_path / "saved.sqlite"
    is_well, said = checked(store.path, capsys, saved)
    assert not is_well
    assert f"kept, though damaged: table {table}, row 1, column sum" in said
    with Results.open(saved) as results:
        assert len(results.cells()) == 1
        assert len(list(results.trials())) == 2
    arguments = {"name": "demo", "text": "name: demo", "seed": 1, "trials": 3, "created_at": "2026-01-01"}
    Store.create(saved, **arguments).close()  # type: ignore[arg-type]


def test_a_cell_that_contradicts_its_id_is_lost_with_its_trials(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.connection.execute("UPDATE cell SET batch = 3")
    _, said = checked(store.path, capsys, tmp_path / "saved.sqlite")
    assert "saved 0 finished trials" in said


def test_a_trial_that_lost_telemetry_is_kept_and_named(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.connection.execute("UPDATE telemetry SET device = 'qi' WHERE rowid = 1")
    saved = tmp_path / "saved.sqlite"
    _, said = checked(store.path, capsys, saved)
    assert "kept, though damaged: trial 1 lost telemetry\n" in said
    assert checked(saved, capsys)[0]
    with Results.open(saved) as results:
        assert [len(list(results.telemetry(trial.id))) for trial in results.trials()] == [3, 4]


def test_a_void_trial_without_a_reason_is_not_saved(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sql("UPDATE trial SET reason = NULL WHERE status = 'void'")(store)
    saved = tmp_path / "saved.sqlite"
    checked(store.path, capsys, saved)
    with Results.open(saved) as results:
        assert results.voids() == [] and not results.warnings
    assert checked(saved, capsys)[0]


def test_planted_times_that_are_no_json_are_found(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    other = replace(CELL, planted="[5")
    store.add(other)
    store.add_trial(a_trial(0, cell=other.id))
    assert f"cell {other.id}: planted: not JSON of devices" in checked(store.path, capsys)[1]


@pytest.mark.parametrize("content", [b"", b"no database at all", None])
def test_what_is_no_results_file_is_bad_input(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "r.sqlite"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StoreError, match=r"r\.sqlite"):
        run_check(path)


def test_nothing_is_saved_over_a_file(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="exists; name a new file"):
        run_check(store.path, store.path)
    assert not list(tmp_path.glob("*partial*"))
