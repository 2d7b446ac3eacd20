"""PyTorch RPC as the backend of real workers: run, checked, recorded, and gone when its pipeline is."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from controller.results import BaselineTrial, Results
from tests.integration.commands import Ended, controller, start, sweep
from tests.integration.labs import LabWorker, tiny_lab, write_experiment, write_lab

WriteExperiment = Callable[..., Path]


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def write(tmp_path: Path, port: int) -> WriteExperiment:
    """Writes an experiment over both backends; keys given replace its own."""

    def write(**keys: object) -> Path:
        usual: dict[str, object] = {
            "networks": ["ideal"],
            "splits": [2],
            "depths": [1, 4],
            "batches": [2],
            "backends": ["socket", "torch_rpc"],
            "rpc": {"port": port},
            "requests": 30,
            "samples": 4,
            "reference_every": 0,
        }
        return write_experiment(tmp_path, "ideal: {}\nslow: {delay_ms: 5}\n", **usual | keys)

    return write


def rpc_processes() -> list[psutil.Process]:
    """The processes that our workers have for RPC."""
    return [process for process in psutil.Process().children(recursive=True) if _is_for_rpc(process)]


def _is_for_rpc(process: psutil.Process) -> bool:
    try:
        # The one that only looks for PyTorch has none.
        return "worker.rpc" in process.cmdline() and "--socket" in process.cmdline()
    except psutil.Error:
        return False


@pytest.fixture(autouse=True)
def fixture_nothing_is_left() -> Iterator[None]:
    yield
    assert not rpc_processes()


def test_a_sweep_over_both_backends_keeps_the_same_records(
    write: WriteExperiment, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    experiment = write()
    ended = sweep(experiment, lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    assert not rpc_processes()
    again = sweep(experiment, lab, bundles_folder)
    assert "nothing to do: all trials are done" in again.stdout + again.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        trials = {trial.cell: trial for trial in results.trials()}
        telemetry = {cells[t.cell].backend: list(results.telemetry(t.id)) for t in trials.values()}
        (device, *_) = results.devices()
    # Nothing crosses a link where all runs on the first: that is one cell, and not one for each backend.
    found = sorted((cell.cuts, cell.depth, cell.backend) for cell in cells.values())
    crossing = [
        (cuts, depth, b) for cuts in ((0,), (2,)) for depth in (1, 4) for b in ("socket", "torch_rpc")
    ]
    assert found == sorted([*crossing, ((4,), 1, "socket"), ((4,), 4, "socket")])
    assert set(trials) == set(cells)
    for trial in trials.values():
        cell = cells[trial.cell]
        assert trial.checked == len(trial.endpoint) == (30 if cell.depth == 1 else 32)
        assert trial.worst_error < 1e-4
        assert [len(rows) for rows in trial.records] == [trial.checked] * len(trial.hops)
        assert all(hop.solo_compute_s > 0 for hop in trial.hops)
        for rows in trial.records:
            assert (rows["compute_s"] > 0).all()
            if cell.backend == "torch_rpc":
                assert not rows["receive_s"].any()
                assert not rows["wait_send_s"].any()
    assert device.stamp["torch"]
    resident = {
        backend: max(sample["process_rss_bytes"] for _, sample in samples)
        for backend, samples in telemetry.items()
    }
    # PyTorch's memory is counted: it is what this backend takes of a device.
    assert resident["torch_rpc"] > resident["socket"] + 50e6


def test_one_cell_over_rpc_says_so(
    bundles_folder: Path, lab: Path, write: WriteExperiment, port: int
) -> None:
    networks = write().parent / "networks.yml"
    run = [*("run", bundles_folder / "tiny", "--at", 2, "--lab", lab, "--networks", networks)]
    run += ["--rpc-port", port]
    ended = controller(*run, "--backend", "torch_rpc", "--depth", 4, "--rpc-threads", 2)
    assert ended.returncode == 0, ended.stderr
    assert "over torch_rpc" in ended.stdout
    assert "24 of 24 results checked" in ended.stdout
    for options, says in (
        (("--backend", "torch"), "--backend: invalid enum value 'torch'; allowed: socket, torch_rpc"),
        (("--backend", "torch_rpc", "--codec", "fp16"), "there is no codec 'fp16'"),
        (("--backend", "torch_rpc", "--network", "slow"), "network 'slow' would not hold"),
        (("--backend", "torch_rpc", "--source", "controller"), "use source: first and topology chain"),
        (("--backend", "torch_rpc", "--rpc-interface", "eth99"), "pi: unknown network interface eth99"),
    ):
        assert_one_line(controller(*run, *options), says)


def assert_one_line(ended: Ended, says: str) -> None:
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert ended.stderr.startswith("error: ") and says in ended.stderr


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (
            {"backends": ["torch_rpc", "grpc"]},
            "key 'backends[1]': invalid enum value 'grpc'; allowed: socket, torch_rpc",
        ),
        ({"backends": []}, "key 'backends'"),
        ({"rpc": {"port": 0}}, "key 'rpc.port': expected a whole number >= 1"),
        ({"rpc": {"thread": 4}}, "unknown key 'rpc.thread'; did you mean 'threads'?"),
        ({"rpc": {"transport": "udp"}}, "key 'rpc.transport': invalid enum value 'udp'; allowed: any, tcp"),
        ({"codecs": ["none", "uint8"]}, "there is no codec 'uint8'"),
        ({"networks": ["ideal", "slow"]}, "network 'slow' would not hold"),
        ({"source": "controller"}, "use source: first and topology chain with it"),
        ({"topologies": ["hub"]}, "use source: first and topology chain with it"),
    ],
)
def test_what_rpc_cannot_do_is_refused_before_any_device_is_asked(
    write: WriteExperiment,
    standing: dict[str, LabWorker],
    bundles_folder: Path,
    tmp_path: Path,
    keys: dict[str, object],
    says: str,
) -> None:
    nowhere = {"control_port": 9, "data_port": 10}
    lab = write_lab(tmp_path, [standing[name].device() | nowhere for name in ("pi", "server")])
    assert_one_line(sweep(write(**keys), lab, bundles_folder), says)
    assert not (tmp_path / "results.sqlite").exists()


def test_under_another_profile_the_backend_may_be_another(
    write: WriteExperiment, lab: Path, bundles_folder: Path
) -> None:
    experiment = write(networks=["ideal", {"name": "slow", "backends": ["socket"]}], depths=[1], splits=[1])
    ended = sweep(experiment, lab, bundles_folder, "--dry-run", "--json")
    assert ended.returncode == 0, ended.stderr
    assert [part["cells"] for part in json.loads(ended.stdout)["by_network"]] == [5, 3]


@pytest.mark.parametrize(
    ("torch", "says"),
    [
        # As Python finds it, where it is not installed.
        (None, "backend torch_rpc needs PyTorch, which this device lacks"),
        (
            "raise ImportError('libtorch_cpu.so is missing')",
            "cannot be imported (libtorch_cpu.so is missing)",
        ),
        # As builds for some systems are.
        ("import torch.distributed; torch.distributed.rpc.is_available = lambda: False", "has no RPC"),
    ],
)
def test_a_device_without_rpc_is_named_before_anything_is_measured(
    write: WriteExperiment,
    bundles_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    torch: str | None,
    says: str,
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(without))
    if torch is None:
        hook = "import sys; sys.modules['torch'] = None"
    elif torch.startswith("raise"):
        (without / "torch.py").write_text(torch)
        hook = ""
    else:
        hook = f"import sys\nif 'worker.rpc' in sys.orig_argv:\n    {torch}\n"
    (without / "sitecustomize.py").write_text(hook)
    experiment = write(depths=[1], splits=[1])
    with tiny_lab(tmp_path) as lab:
        monkeypatch.delenv("PYTHONPATH")
        ended = sweep(experiment, lab, bundles_folder)
        assert_one_line(ended, says)
        assert "error: pi: " in ended.stderr
        with Results.open(tmp_path / "results.sqlite") as results:
            assert not results.finished()
            assert not results.rows(BaselineTrial)


def test_a_port_that_is_taken_is_named(write: WriteExperiment, lab: Path, bundles_folder: Path) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        ended = sweep(write(rpc={"port": port}), lab, bundles_folder)
        assert_one_line(ended, f"pi: PyTorch RPC cannot listen on port {port} (Address already in use)")


def wait_for(what: Callable[[], bool], timeout_s: float = 100.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


@contextmanager
def long_run(lab: Path, bundles: Path, networks: Path, port: int) -> "Iterator[subprocess.Popen[str]]":
    """A cell over RPC that would take hours, under way."""
    run = ["run", bundles / "tiny", "--at", 2, "--lab", lab, "--networks", networks]
    run += ["--backend", "torch_rpc", "--rpc-port", port, "--depth", 4, "--requests", 100_000_000]
    process = start(*run)
    try:
        wait_for(are_joined)
        # Until requests are on their way.
        time.sleep(0.5)
        yield process
    finally:
        process.kill()
        process.communicate()


def are_joined() -> bool:
    """Whether both processes have connections to each other."""
    found = rpc_processes()
    return len(found) == 2 and all(
        any(connection.status == psutil.CONN_ESTABLISHED for connection in process.net_connections("tcp"))
        for process in found
    )


def test_a_controller_that_is_killed_leaves_no_process_and_free_workers(
    write: WriteExperiment, lab: Path, bundles_folder: Path, tmp_path: Path, port: int
) -> None:
    experiment = write(backends=["socket"], splits=[2])
    with long_run(lab, bundles_folder, tmp_path / "networks.yml", port) as process:
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: not rpc_processes())
    ended = sweep(experiment, lab, bundles_folder)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize(
    ("victim", "says"),
    [
        ("pi", "pi: the PyTorch RPC process ended by signal 9"),
        ("the worker of server", "server: lost during a trial"),
    ],
)
def test_a_process_that_is_lost_voids_the_trial_at_once(
    write: WriteExperiment,
    workers: dict[str, LabWorker],
    bundles_folder: Path,
    tmp_path: Path,
    port: int,
    victim: str,
    says: str,
) -> None:
    write()
    lab = write_lab(tmp_path, workers.values())
    with long_run(lab, bundles_folder, tmp_path / "networks.yml", port) as process:
        of = {found.ppid(): found.pid for found in rpc_processes()}
        worker = workers[victim.removeprefix("the worker of ")].pid
        os.kill(of[worker] if victim in workers else worker, signal.SIGKILL)
        assert_one_line_of(process, says)
        wait_for(lambda: not rpc_processes())


def assert_one_line_of(process: "subprocess.Popen[str]", says: str) -> None:
    # A run gives up after ten minutes by itself.
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.count("\n")) == (2, 1), said
    assert said.startswith("error: ") and says in said
