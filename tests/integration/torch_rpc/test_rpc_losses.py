"""Controllers, workers and PyTorch RPC's processes that are killed in the middle of a run."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.integration.commands import start, sweep
from tests.integration.labs import LabWorker, write_lab
from tests.integration.torch_rpc.conftest import WriteExperiment
from tests.integration.torch_rpc.rpc import rpc_processes
from tests.integration.waiting import wait_until


@contextmanager
def long_run(lab: Path, bundles: Path, networks: Path, port: int) -> "Iterator[subprocess.Popen[str]]":
    """A cell over RPC that would take hours, under way."""
    run = ["run", bundles / "tiny", "--at", 2, "--lab", lab, "--networks", networks]
    run += ["--backend", "torch_rpc", "--rpc-port", port, "--depth", 4, "--requests", 100_000_000]
    process = start(*run)
    try:
        wait_until(are_joined)
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
        wait_until(lambda: not rpc_processes())
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
        wait_until(lambda: not rpc_processes())


def assert_one_line_of(process: "subprocess.Popen[str]", says: str) -> None:
    # A run gives up after ten minutes by itself.
    _, said = process.communicate(timeout=30)
    assert (process.returncode, said.count("\n")) == (2, 1), said
    assert said.startswith("error: ") and says in said
