"""Links that are reset or swallow everything, and peers that are gone without a word."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.results import Results
from controller.results.check import run_check
from tests.integration.faults.lab import FaultyWorker, lab_of, sweeping, write_experiment
from tests.integration.faults.network import Network, a_network
from tests.integration.faults.proxy import Proxy
from tests.integration.faults.times import took
from tests.integration.labs import write_lab
from tests.integration.waiting import wait_until


@pytest.fixture
def network() -> Iterator[Network]:
    with a_network() as made:
        yield made


@pytest.fixture
def workers(network: Network, tmp_path: Path) -> Iterator[dict[str, FaultyWorker]]:
    """`pi` beside the controller, `server` behind the cable."""

    def beyond(name: str, host: str, prefix: tuple[str, ...]) -> FaultyWorker:
        return FaultyWorker(tmp_path, name, "--open-to-all", host=host, prefix=prefix)

    started = {}
    try:
        started["pi"] = beyond("pi", network.near, network.near_prefix)
        started["server"] = beyond("server", network.far, network.far_prefix)
        write_lab(tmp_path, started.values())
        yield started
    finally:
        for worker in started.values():
            worker.kill()


def is_idle(worker: FaultyWorker, prefix: tuple[str, ...]) -> bool:
    """As it says itself, on its own side of the cable."""
    command = [*prefix, sys.executable, "-m", "worker", "ask", "--host", worker.host]
    command += ["--control-port", str(worker.control_port)]
    asked = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    return json.loads(asked.stdout)["holder"] is None


def long_trials(folder: Path) -> None:
    """Cells over a link of 20 ms each way, so that each trial is under way for some seconds."""
    write_experiment(
        folder, on_failure="wait", wait_s=30, networks=["slow"], depths=[1], splits=[2], requests=60, trials=1
    )


def test_a_link_that_swallows_everything_is_noticed_at_both_ends(
    network: Network, workers: dict[str, FaultyWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    long_trials(tmp_path)
    with sweeping(tmp_path, bundles_folder, prefix=network.near_prefix) as sweep:
        wait_until(lambda: "link" in workers["server"].log.read_text())
        time.sleep(0.5)
        network.cut()
        cut_at_s = time.monotonic()
        idle_s = wait_until(lambda: is_idle(workers["server"], network.far_prefix)) - cut_at_s
        told_at_s, _ = sweep.line("void: ", "server: lost during a trial; unreachable", after_s=cut_at_s)
        network.join()
        joined_at_s = time.monotonic()
        before = sweep.finished()
        took("black-holed link", "worker behind it idle", idle_s, at_most_s=15.0)
        took("black-holed link", "detected", told_at_s - cut_at_s, at_most_s=60.0)
        back_s = sweep.wait_finished(before + 1) - joined_at_s
        took("black-holed link", "next trial finished after it was back", back_s, at_most_s=90.0)
        assert sweep.end() == 0, sweep.said
    assert run_check(sweep.results)


def test_a_worker_whose_controller_is_gone_without_a_word_is_free_again(
    network: Network, workers: dict[str, FaultyWorker], bundles_folder: Path, tmp_path: Path
) -> None:
    long_trials(tmp_path)
    with sweeping(tmp_path, bundles_folder, prefix=network.near_prefix) as sweep:
        wait_until(lambda: "link" in workers["server"].log.read_text())
        network.cut()
        sweep.process.kill()
        gone_at_s = time.monotonic()
        workers["pi"].kill()
        # Nothing of their end came through: the server's connections are half open.
        network.join()
        idle_s = wait_until(lambda: is_idle(workers["server"], network.far_prefix)) - gone_at_s
        took("half-open peer", "worker idle", idle_s, at_most_s=15.0)


@pytest.mark.parametrize("which", ["control", "data"])
def test_a_connection_that_is_reset_voids_the_trial_and_is_made_again(
    bundles_folder: Path, tmp_path: Path, which: str
) -> None:
    write_experiment(
        tmp_path, on_failure="wait", networks=["slow"], depths=[1], splits=[2], requests=40, trials=1
    )
    with lab_of(tmp_path) as workers:
        device = workers["server"].device()
        with Proxy(device[f"{which}_port"]) as proxy:
            write_lab(tmp_path, [workers["pi"].device(), device | {f"{which}_port": proxy.port}])
            with sweeping(tmp_path, bundles_folder) as sweep:
                wait_until(lambda: "link" in workers["server"].log.read_text())
                time.sleep(0.5)
                proxy.reset()
                reset_at_s = time.monotonic()
                told_at_s, line = sweep.line("void: ", after_s=reset_at_s)
                took(f"{which} connection reset", "detected", told_at_s - reset_at_s, at_most_s=5.0)
                back_s = sweep.wait_finished(sweep.finished() + 1) - reset_at_s
                took(f"{which} connection reset", "recovered", back_s, at_most_s=40.0)
                assert sweep.end() == 0, sweep.said
    assert "reset" in line or "lost" in line or "closed it" in line
    assert "server" in line or str(proxy.port) in line
    with Results.open(sweep.results) as results:
        assert len(results.finished()) == 3
        assert len(results.voids()) == 1
    assert run_check(sweep.results)
