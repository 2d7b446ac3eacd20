"""Devices and controllers that run out of memory or disk: named, nothing half-written, gone on with after."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from controller.results import Results
from controller.results.check import run_check
from tests.integration.faults.lab import lab_of, sweeping, write_experiment


@pytest.fixture(scope="session")
def heavy_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the bundle `heavy`: two stages of 4 MB weights each."""
    from exporter.export import ExportSettings, export  # noqa: PLC0415 - it brings torch

    folder = tmp_path_factory.mktemp("heavy")
    rng = np.random.default_rng(0)
    size = 1000
    nodes, weights = [], []
    for index in range(2):
        nodes.append(helper.make_node("MatMul", [f"x{index}", f"w{index}"], [f"x{index + 1}"]))
        weights.append(
            numpy_helper.from_array(rng.standard_normal((size, size)).astype(np.float32), f"w{index}")
        )
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", size]) for name in ("x0", "x2")]
    graph = helper.make_graph(nodes, "heavy", ends[:1], ends[1:], weights)
    onnx.save(
        helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 18)]),
        folder / "heavy.onnx",
    )
    settings = ExportSettings(
        model=str(folder / "heavy.onnx"), out=folder / "heavy", dataset="random", samples=2
    )
    export(settings, lambda _line: None)
    return folder


@contextlib.contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """A file system of its own in a folder."""
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "edgecut-test", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def grow(folder: Path, size: str) -> None:
    subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)


def test_a_device_out_of_memory_is_named_and_loads_again_once_there_is_some(
    heavy_bundles: Path, tmp_path: Path
) -> None:
    write_experiment(tmp_path, models=["heavy"], splits=[1], depths=[1], trials=1)
    with lab_of(tmp_path) as workers:
        server = psutil.Process(workers["server"].pid)
        workers["server"].arm("loading", None)
        with sweeping(tmp_path, heavy_bundles) as sweep:
            assert sweep.end() == 2
        assert sweep.said[-1].startswith("error: "), sweep.said
        assert "server: " in sweep.said[-1] and "out of memory" in sweep.said[-1], sweep.said
        assert server.is_running()

        server.rlimit(psutil.RLIMIT_AS, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))
        with sweeping(tmp_path, heavy_bundles) as sweep:
            assert sweep.end() == 0, sweep.said
    assert run_check(sweep.results)


def test_a_device_whose_disk_is_full_is_named_and_keeps_no_half_file(
    heavy_bundles: Path, tmp_path: Path
) -> None:
    write_experiment(tmp_path, models=["heavy"], splits=[1], depths=[1], trials=1)
    store = tmp_path / "server"
    with small_disk(store, "2m"), lab_of(tmp_path):
        with sweeping(tmp_path, heavy_bundles) as sweep:
            assert sweep.end() == 2
        assert sweep.said[-1].startswith("error: server: "), sweep.said
        assert "disk full (No space left on device)" in sweep.said[-1]
        assert not list(store.rglob("*.partial"))

        grow(store, "256m")
        with sweeping(tmp_path, heavy_bundles) as sweep:
            assert sweep.end() == 0, sweep.said
    assert run_check(sweep.results)


def test_a_controller_whose_disk_is_full_keeps_what_was_finished(
    bundles_folder: Path, tmp_path: Path
) -> None:
    write_experiment(tmp_path, splits=[1, 2, 3], trials=6)
    disk = tmp_path / "disk"
    with small_disk(disk, "400k"), lab_of(tmp_path):
        results = disk / "results.sqlite"
        with sweeping(tmp_path, bundles_folder, results=results) as sweep:
            assert sweep.end() == 2
        assert sweep.said[-1].startswith("error: ") and "full" in sweep.said[-1], sweep.said
        with Results.open(results) as opened:
            kept = opened.finished()
        assert 0 < len(kept) < 60
        assert run_check(results)

        grow(disk, "64m")
        with sweeping(tmp_path, bundles_folder, results=results) as sweep:
            assert sweep.end() == 0, sweep.said
        with Results.open(results) as opened:
            assert len(opened.finished()) == 60
            assert kept <= opened.finished()
        assert run_check(results)
