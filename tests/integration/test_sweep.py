"""The controller against real workers: processes, sockets, ONNX Runtime."""

import hashlib
import json
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from controller.store import Results
from worker.wire.stream import MAGIC, VERSION

Command = Callable[..., "subprocess.CompletedProcess[str]"]


class Worker:
    """A worker process of this test."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._folder = folder
        self._ports = (0, 0)
        self.start()

    def start(self) -> None:
        """Start it; again on the same ports, once they were given."""
        command = [sys.executable, "-m", "worker", "serve", "--name", self.name, "--kind", "local"]
        command += ["--control-port", str(self._ports[0]), "--data-port", str(self._ports[1])]
        command += ["--store", str(self._folder / f"store-{self.name}")]
        with (self._folder / f"{self.name}.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self._ports = (said["control_port"], said["data_port"])

    def device(self) -> dict[str, Any]:
        """Its entry in a lab file."""
        control_port, data_port = self._ports
        return {
            "name": self.name,
            "kind": "local",
            "host": "127.0.0.1",
            "control_port": control_port,
            "data_port": data_port,
            "link": "emulated",
        }

    def kill(self) -> None:
        """Pull its plug."""
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[dict[str, Worker]]:
    started: dict[str, Worker] = {}
    try:
        for name in ("pi", "server"):
            started[name] = Worker(name, tmp_path)
        yield started
    finally:
        for worker in started.values():
            worker.kill()


@pytest.fixture
def lab(workers: dict[str, Worker], tmp_path: Path) -> Path:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"name": "test", "devices": [w.device() for w in workers.values()]}))
    return path


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    (tmp_path / "profiles.yml").write_text("ideal: {}\nslow: {delay_ms: 5, rate_mbit: 1}\n")
    path = tmp_path / "experiment.yml"
    path.write_text(
        "name: tiny\nmodels: [tiny]\nnetwork_profiles: profiles.yml\nprofiles: [ideal, slow]\n"
        "depths: [1, 4]\ntrials: 2\nrequests: 11\nwarmup: 2\nwait_s: 5\n"
    )
    return path


def arguments(experiment: Path, lab: Path, bundles_folder: Path) -> list[str]:
    results = experiment.parent / "results.sqlite"
    return [
        *(sys.executable, "-m", "controller", "sweep", str(experiment), "--lab", str(lab)),
        *("--bundles", str(bundles_folder), "--results", str(results)),
    ]


@pytest.fixture
def sweep(experiment: Path, lab: Path, bundles_folder: Path) -> Command:
    def run(*options: str) -> "subprocess.CompletedProcess[str]":
        command = [*arguments(experiment, lab, bundles_folder), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    return run


def finished(experiment: Path) -> int:
    try:
        with Results.open(experiment.parent / "results.sqlite") as results:
            return len(results.finished())
    except Exception:  # the sweep has not made the file yet
        return 0


def wait_for_trials(experiment: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while finished(experiment) < count:
        assert time.monotonic() < deadline, "the sweep makes no progress"
        time.sleep(0.01)


def test_a_sweep_measures_every_cell_and_then_has_nothing_left(sweep: Command, experiment: Path) -> None:
    first = sweep()
    again = sweep()

    assert first.returncode == 0, first.stderr
    assert "complete: 40 trials done" in first.stderr
    assert again.returncode == 0
    assert "all trials are done already" in again.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        trials = list(results.trials())
        assert len(trials) == 2 * 5 * 2 * 2  # profiles, splits with both ends, depths, trials
        assert all(len(trial.endpoint) == 11 and trial.checked == 11 for trial in trials)
        assert {(b.device, b.number) for b in results.baselines()} == {
            (device, number) for device in ("pi", "server") for number in (0, 1)
        }
        assert sorted(a.cuts for a in results.accuracies()) == [(0,), (1,), (2,), (3,), (4,)]
        assert {d.profile for d in results.drifts()} == {"ideal", "slow"}
        assert [device.name for device in results.devices()] == ["pi", "server"]


def test_the_network_profile_is_felt_where_a_link_is_crossed(sweep: Command, experiment: Path) -> None:
    assert sweep("--profile", "slow").returncode == 0

    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        for trial in results.trials():
            cell = cells[trial.cell]
            crosses = cell.label != "all on first"
            assert (trial.endpoint["latency_s"].min() > 0.010) == crosses, cell


def test_hops_account_for_no_more_than_the_whole_request(sweep: Command, experiment: Path) -> None:
    assert sweep("--profile", "ideal").returncode == 0

    with Results.open(experiment.parent / "results.sqlite") as results:
        for trial in results.trials():
            order = trial.endpoint["request"].argsort()
            whole_s = trial.endpoint["latency_s"][order]
            for unsorted in trial.records:
                rows = unsorted[unsorted["request"].argsort()]
                whole_s = whole_s - sum(
                    rows[name] for name in ("wait_compute_s", "decode_s", "compute_s", "encode_s")
                )
            assert (whole_s >= 0).all()


def test_loads_are_offered_recorded_and_searched(sweep: Command, experiment: Path) -> None:
    text = experiment.read_text().replace("depths: [1, 4]", "depths: [4]").replace("[ideal, slow]", "[ideal]")
    experiment.write_text(
        f"{text}splits: [2]\nloads: [single, constant:1000/s, poisson:1000000/s, poisson:p50<=50ms]\n"
        "prefetches: [null, 1]\n"
    )
    experiment.write_text(experiment.read_text().replace("requests: 11", "requests: {1: 11, 4: 240}"))
    done = sweep()
    assert done.returncode == 0, done.stderr

    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        assert len(cells) == 3 * 4 * 2  # splits with both ends, loads, prefetches
        for trial in results.trials():
            cell, course = cells[trial.cell], trial.course
            assert all(len(rows) == len(trial.endpoint) for rows in trial.records)
            if cell.load == "offline":
                assert (cell.depth, course.rate_per_s, course.seed) == (1, None, None)
            else:
                assert course.rate_per_s is not None
                assert course.seed is not None
            if cell.load == "constant:1000/s":
                gaps_s = np.diff(trial.endpoint["scheduled_at_s"])
                np.testing.assert_allclose(gaps_s, 0.001, atol=1e-6)
            if cell.load == "poisson:1000000/s":
                assert course.overloaded
            if cell.load == "poisson:p50<=50ms":
                assert len(course.attempts) == 5
                assert course.bound_kept
            assert (trial.endpoint["prepare_s"] > 0).all() == (cell.prefetch == 1)


def test_ctrl_c_finishes_the_trial_and_the_same_command_goes_on(
    sweep: Command, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    process = subprocess.Popen(
        arguments(experiment, lab, bundles_folder),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    wait_for_trials(experiment, 3)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "the same command goes on" in said
    done = finished(experiment)
    assert 3 <= done < 40
    assert f"complete: {40 - done} trials done" in sweep().stderr


def test_a_killed_controller_loses_no_trial_and_repeats_none(
    sweep: Command, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    process = subprocess.Popen(arguments(experiment, lab, bundles_folder), stderr=subprocess.DEVNULL)
    wait_for_trials(experiment, 3)
    process.kill()
    process.wait()
    done = finished(experiment)

    assert f"complete: {40 - done} trials done" in sweep().stderr
    assert finished(experiment) == 40


def test_a_worker_that_dies_in_mid_trial_is_named_and_the_sweep_stops_as_told(
    sweep: Command, experiment: Path, lab: Path, bundles_folder: Path, workers: dict[str, Worker]
) -> None:
    process = subprocess.Popen(
        arguments(experiment, lab, bundles_folder),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    wait_for_trials(experiment, 3)
    workers["server"].kill()
    _, said = process.communicate(timeout=60)
    last = said.strip().splitlines()[-1]

    assert process.returncode == 2
    assert last.startswith("error: void trial")
    assert "server" in last
    with Results.open(experiment.parent / "results.sqlite") as results:
        ((_, _, _, device, _),) = results.voids()
        assert device == "server"
    workers["server"].start()
    assert sweep().returncode == 0
    assert finished(experiment) == 40


def test_told_to_skip_the_sweep_goes_on_with_what_is_left(
    experiment: Path, lab: Path, bundles_folder: Path, workers: dict[str, Worker]
) -> None:
    experiment.write_text(
        experiment.read_text() + "on_failure: skip\nplacements: [[pi, server], [pi]]\nsplits: []\n"
    )
    process = subprocess.Popen(
        arguments(experiment, lab, bundles_folder),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    wait_for_trials(experiment, 3)
    workers["server"].kill()
    _, said = process.communicate(timeout=90)

    assert process.returncode == 1
    assert "given up: server" in said
    assert "incomplete:" in said  # it came to its end, rather than broke off at the next cell
    assert "Traceback" not in said
    with Results.open(experiment.parent / "results.sqlite") as results:
        alone = {cell.id for cell in results.cells() if cell.devices == ("pi",)}
        assert {(cell, number) for cell in alone for number in (0, 1)} <= results.finished()


def test_the_controller_can_be_the_source(sweep: Command, experiment: Path) -> None:
    experiment.write_text(experiment.read_text() + "source: controller\n")

    ended = sweep("--profile", "slow")

    assert ended.returncode == 0, ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        for trial in results.trials():
            assert trial.links[0].sender == trial.links[-1].receiver == "controller"
            assert trial.endpoint["latency_s"].min() > 0.010


def test_one_cell_shows_where_the_time_went(lab: Path, experiment: Path, bundles_folder: Path) -> None:
    command = [sys.executable, "-m", "controller", "run", str(bundles_folder / "tiny"), "--at", "block.0"]
    command += [
        "--lab",
        str(lab),
        "--network-profiles",
        str(experiment.parent / "profiles.yml"),
        "--profile",
        "slow",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stderr
    for word in ("compute", "network", "pi -> server: 32 bytes", "24 of 24 results checked"):
        assert word in ended.stdout


def test_status_names_every_device_and_infers_for_real(lab: Path) -> None:
    command = [sys.executable, "-m", "controller", "status", "--lab", str(lab), "--infer"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.count("inference right") == 2


def test_a_dry_run_counts_without_running(sweep: Command, experiment: Path) -> None:
    plan = json.loads(sweep("--dry-run", "--json").stdout)

    assert (plan["cells"], plan["profiles"]) == (20, ["ideal", "slow"])
    assert plan["bundles"][0]["model"] == "tiny"
    assert finished(experiment) == 0


def test_results_of_another_experiment_are_left_alone(sweep: Command, experiment: Path) -> None:
    assert sweep("--profile", "ideal").returncode == 0
    done = finished(experiment)
    experiment.write_text(experiment.read_text() + "seed: 9\n")

    ended = sweep()

    assert ended.returncode == 2
    assert "holds results of another experiment" in ended.stderr
    assert finished(experiment) == done


def test_a_device_that_is_not_there_is_named_after_the_wait(
    sweep: Command, experiment: Path, workers: dict[str, Worker]
) -> None:
    experiment.write_text(experiment.read_text().replace("wait_s: 5", "wait_s: 0"))
    workers["server"].kill()

    ended = sweep()

    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1].startswith("error: server: cannot reach")


def test_an_altered_bundle_is_refused_by_its_digest(
    experiment: Path, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "bundles"
    shutil.copytree(bundles_folder / "tiny", folder / "tiny")
    with (folder / "tiny" / "weights.bin").open("r+b") as file:
        file.seek(5)
        file.write(b"\x7f")

    ended = subprocess.run(
        arguments(experiment, lab, folder), capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 2
    assert "weights.bin" in ended.stderr
    assert "digest" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_results_folder_that_cannot_be_written_is_named(
    experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    command = arguments(experiment, lab, bundles_folder)
    command[-1] = "/proc/results/results.sqlite"  # where not even root may make a folder
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 2
    assert "error: results folder /proc/results" in ended.stderr


def with_wrong_answers(bundle: Path, to: Path) -> None:
    """Copy a bundle; its answers are changed, and every digest made to agree."""
    shutil.copytree(bundle, to)
    with np.load(to / "samples.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["answer.y"] = arrays["answer.y"] + 1
    np.savez(to / "samples.npz", allow_pickle=False, **arrays)
    manifest = json.loads((to / "manifest.json").read_text())
    content = (to / "samples.npz").read_bytes()
    manifest["files"]["samples.npz"] = {
        "digest": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
    }
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    canonical = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    manifest["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    (to / "manifest.json").write_text(json.dumps(manifest))


def test_a_result_that_differs_from_the_answer_voids_the_trial(
    experiment: Path, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    with_wrong_answers(bundles_folder / "tiny", tmp_path / "bundles" / "tiny")

    ended = subprocess.run(
        arguments(experiment, lab, tmp_path / "bundles"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 2
    assert "error: void trial" in ended.stderr
    assert "answer" in ended.stderr
    assert finished(experiment) == 0


def test_a_worker_of_another_protocol_version_is_named(
    experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        described = json.loads(lab.read_text())
        described["devices"][1]["control_port"] = server.getsockname()[1]
        lab.write_text(json.dumps(described))
        newer = struct.pack("<8sHBB4s", MAGIC, VERSION + 1, 1, 0, bytes(4))

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(newer)
                connection.recv(64)

        thread = threading.Thread(target=answer)
        thread.start()
        ended = subprocess.run(
            arguments(experiment, lab, bundles_folder),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        thread.join()

    assert ended.returncode == 2
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("error: server:")
    assert "protocol" in last
    assert f"speaks protocol {VERSION + 1}, this end {VERSION}" in last


def test_a_chain_of_three_devices_gives_the_answers_of_the_whole(
    workers: dict[str, Worker], experiment: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    workers["desk"] = Worker("desk", tmp_path)
    lab = tmp_path / "three.json"
    lab.write_text(json.dumps({"name": "three", "devices": [w.device() for w in workers.values()]}))

    ended = subprocess.run(
        [*arguments(experiment, lab, bundles_folder), "--profile", "ideal"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        longest = {cell.id for cell in results.cells() if cell.cuts == (1, 3)}
        trials = [trial for trial in results.trials() if trial.cell in longest]
        assert trials
        for trial in trials:
            assert [hop.device for hop in trial.hops] == ["pi", "server", "desk"]
            assert trial.checked == 11
            assert trial.worst_error <= 1e-4
