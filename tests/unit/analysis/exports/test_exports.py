"""The exports, from records whose figures can be worked out by hand."""

import csv
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis.__main__ import main
from analysis.exports import EXPORTS
from controller.results import Cell, Course, DeviceRow, Hop, Link, LinkUse, Store, Trial
from tests.unit.analysis.synthetic import AT, BUNDLE, write_sweep
from worker.records import ENDPOINT, HOP

ROOT = Path(__file__).parents[4]
BATCH, REQUESTS, DEPTH = 8, 12, 2


def results(path: Path) -> Path:
    """Twelve batches of 8, one back every 50 ms, each 100 ms under way: 2 at the source, 20 + 60 in stages.

    The first stage waits 4 ms for its turn, the source encodes for 1 ms and the sink decodes for 2, so 11 ms
    are left for the network. The whole took 0.6 s. The server's 60 ms were 40 ms when it was alone, and the
    link was being sent on for 10 ms a batch.
    """
    nodes = [{"parameters": 10 * i, "multiply_adds": 1000} for i in range(6)]
    manifest = {"model": "tiny", "node_count": 6, "nodes": nodes, "parameters": 150, "cut_points": []}
    cell = Cell(
        model="tiny",
        bundle=BUNDLE,
        cuts=(2,),
        label="a",
        devices=("pi", "server"),
        depth=DEPTH,
        batch=BATCH,
        network="lan",
        shaping="emulated",
        load="constant:20/s",
    )
    endpoint = np.zeros(REQUESTS, ENDPOINT)
    endpoint["request"] = np.arange(REQUESTS)
    endpoint["counted"] = 1
    endpoint["finished_at_s"] = 5.0 + 0.05 * np.arange(REQUESTS)
    endpoint["latency_s"], endpoint["wait_source_s"], endpoint["prepare_s"] = 0.100, 0.002, 0.001
    endpoint["encode_s"], endpoint["decode_s"] = 0.001, 0.002
    endpoint["scheduled_at_s"] = endpoint["finished_at_s"] - 0.100
    first, second = np.zeros(REQUESTS, HOP), np.zeros(REQUESTS, HOP)
    first["request"] = second["request"] = np.arange(REQUESTS)
    first["compute_s"], first["wait_compute_s"], first["send_s"] = 0.020, 0.004, 0.010
    second["compute_s"] = 0.060

    def sample(at_s: float, **more: float | None) -> dict[str, float | None]:
        return {"at_s": at_s, "process_cpu_percent": 0.0, "host_cpu_percent": 0.0, **more}

    # The requests that count took from 4.95 to 5.55.
    telemetry = {
        "pi": [
            sample(4.9, sent_bytes=1000, received_bytes=10, frequency_mhz=600.0, throttled=0),
            sample(5.15, sent_bytes=1400, received_bytes=10, frequency_mhz=1800.0, throttled=1)
            | {"process_cpu_percent": 50.0, "process_rss_bytes": 7e6, "process_memory_bytes": 6e6},
            sample(5.75, sent_bytes=3000, received_bytes=50, frequency_mhz=1200.0, throttled=4)
            | {"process_cpu_percent": 100.0, "process_rss_bytes": 9e6, "process_memory_bytes": 5e6},
        ],
        "server": [],
    }
    trial = Trial(
        cell=cell.id,
        number=0,
        started_at=AT,
        elapsed_s=0.6,
        checked=REQUESTS,
        worst_error=0.0,
        hops=(Hop("pi", 0, 2, 1, 0.3, 0.020), Hop("server", 2, 6, 4, 0.4, 0.040)),
        links=(
            Link("pi", "pi", 9),
            Link("pi", "server", 800, use=LinkUse("kernel", 11, 0.55, 0.2, 0.0, 0.0, 0.0, 9000, 0.001)),
            Link("server", "pi", 40, use=LinkUse("kernel", 11, 0.55, 0.1, 0.0, 0.0, 0.0, 900, 0.001)),
        ),
        endpoint_rows=endpoint,
        hop_rows=(first, second),
        environment=1,
        course=Course(True, False, 20.0, 1),
        telemetry=telemetry,
    )
    with Store.create(path, name="hand", text="name: hand", seed=0, trials=1, created_at=AT) as store:
        machines = [DeviceRow("pi", "real", 1.0, {}), DeviceRow("server", "local", 2.0, {})]
        store.add_environment(AT, {}, machines)
        store.add_bundle(BUNDLE, "tiny", json.dumps(manifest))
        store.add_network("lan", 0, "emulated", {})
        store.add(cell)
        store.add_trial(trial)
    return path


@pytest.fixture
def exported(tmp_path: Path) -> dict[str, list[dict[str, str]]]:
    assert main(["export", str(results(tmp_path / "r.sqlite")), "--out", str(tmp_path / "out")]) == 0
    tables = {}
    for name in EXPORTS:
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            tables[name] = list(csv.DictReader(file))
    return tables


def check(row: dict[str, str], **expected: object) -> None:
    found = {name: row[name] for name in expected}
    for name, value in expected.items():
        if isinstance(value, int | float):
            assert float(found[name]) == pytest.approx(value), name
        else:
            assert found[name] == value, name


def test_a_batch_is_a_row(exported: dict[str, list[dict[str, str]]]) -> None:
    rows = exported["batch_metrics"]
    assert [row["request"] for row in rows] == [str(i) for i in range(REQUESTS)]
    check(rows[0], model="tiny", cuts="2", devices="pi;server", load="constant:20/s", interval_s="")
    check(
        rows[3],
        latency_s=0.100,
        latency_per_image_s=0.0125,
        interval_s=0.05,
        wait_source_s=0.002,
        prepare_s=0.001,
        wait_compute_s=0.004,
        compute_s=0.080,
        network_s=0.011,
        communication_share=0.11,
        stage_compute_s="0.02;0.06",
    )


def test_a_stage_is_a_row_with_its_device(exported: dict[str, list[dict[str, str]]]) -> None:
    pi, server = exported["device_metrics"]
    check(
        pi,
        device="pi",
        kind="real",
        stage=1,
        layers=2,
        parameters=0 + 10,
        multiply_adds=2000,
        images_per_s=BATCH / 0.020,
        busy=12 * 0.020 / 0.6,
        bubble=0.6,
        occupied=0.4,
        telemetry_samples=2,
        process_cpu_percent=(0.2 * 50 + 0.4 * 100) / 0.6,
        process_rss_bytes=9e6,
        process_memory_bytes=6e6,
        frequency_mhz=1400.0,
        frequency_low_mhz=1200.0,
        throttled=5,
        sent_bytes=2000,
        received_bytes=40,
        temperature_c="",
        gpu_percent="",
    )
    check(
        server,
        slowdown=2.0,
        layers=4,
        parameters=20 + 30 + 40 + 50,
        threads=4,
        images_per_s=BATCH / 0.060,
        compute_alone_s=0.040,
        busy=0.8,
        bubble=0.2,
        occupied=1.2,
        telemetry_samples=0,
        process_cpu_percent="",
        sent_bytes="",
    )


def test_a_trial_is_a_row_of_the_pipeline(exported: dict[str, list[dict[str, str]]]) -> None:
    (row,) = exported["pipeline_metrics"]
    check(
        row,
        requests=12,
        images=96,
        images_per_s=96 / 0.6,
        inter_batch_images_per_s=BATCH / 0.05,
        time_per_batch_s=0.05,
        time_per_image_s=0.00625,
        latency_p50_s=0.100,
        latency_p90_s="",
        stage_images_per_s="400;133.333",
        stage_limit_images_per_s="400;200",
        busy="0.4;0.8",
        bubble="0.6;0.2",
        bottleneck="server",
        network_s=0.011,
        communication_overhead=0.11,
        source_s=0.002,
        payload_bytes=840,
        link_payload_bytes="800;40",
        link_encoded_bytes="800;40",
        rate_per_s=20.0,
        stable="True",
        overloaded="False",
    )


def test_every_column_is_documented() -> None:
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")))
    for name, (columns, _) in EXPORTS.items():
        assert set(columns) <= documented, name


def test_a_file_that_is_not_there_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path / "none.sqlite"), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_parquet_holds_what_csv_does_with_types(tmp_path: Path) -> None:
    from pyarrow import parquet

    out = tmp_path / "out"
    path = str(write_sweep(tmp_path / "r.sqlite", cuts=(0, 24, 60)))
    assert main(["export", path, "--out", str(out), "--formats", "csv,parquet"]) == 0
    assert {file.name for file in out.iterdir()} == {
        f"{table}.{form}" for table in EXPORTS for form in ("csv", "parquet")
    }
    for table, (columns, _) in EXPORTS.items():
        with (out / f"{table}.csv").open(newline="") as file:
            told = list(csv.DictReader(file))
        typed = parquet.read_table(out / f"{table}.parquet").to_pylist()
        assert len(typed) == len(told) > 0
        for row, texts in zip(typed, told, strict=True):
            assert list(row) == list(columns)
            assert all(_same(value, texts[name]) for name, value in row.items())


def _same(value: object, text: str) -> bool:
    if value is None:
        return text == ""
    if isinstance(value, float):
        return float(text) == pytest.approx(value)
    return str(value) == text


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        ("xlsx", "error: --formats xlsx: name one or more of csv, parquet\n"),
        ("", "error: --formats : name one or more of csv, parquet\n"),
        ("parquet", "error: --formats parquet needs the package pyarrow; install it: pip install"),
    ],
)
def test_formats_that_cannot_be_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    formats: str,
    said: str,
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = str(results(tmp_path / "r.sqlite"))
    assert main(["export", path, "--out", str(tmp_path / "out"), "--formats", formats]) == 2
    assert capsys.readouterr().err.startswith(said)
    assert not (tmp_path / "out").exists()
