"""What a sweep will not do, and says so in one line."""

import hashlib
import json
import shutil
import socket
import struct
import threading
from pathlib import Path

import numpy as np

from exporter.bundle.manifest import digest_of
from tests.integration import commands
from tests.integration.labs import LabWorker, add, write_lab
from tests.integration.sweep.sweeping import Command, finished
from worker.wire.stream import MAGIC, VERSION


def test_results_of_another_experiment_are_left_alone(sweep: Command, experiment: Path) -> None:
    add(experiment, splits=[], trials=1)
    assert sweep("--network", "ideal").returncode == 0
    done = finished(experiment)
    add(experiment, seed=9)

    ended = sweep()

    assert ended.returncode == 2
    assert "holds results of another experiment" in ended.stderr
    assert finished(experiment) == done


def test_a_device_that_is_not_there_is_named_after_the_wait(
    sweep: Command, experiment: Path, standing: dict[str, LabWorker], tmp_path: Path
) -> None:
    add(experiment, wait_s=0)
    write_lab(tmp_path, [standing["pi"], standing["server"].device() | {"control_port": 1}])

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

    ended = commands.sweep(experiment, lab, folder)

    assert ended.returncode == 2
    assert "weights.bin" in ended.stderr
    assert "digest" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_results_folder_that_cannot_be_written_is_named(
    experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    # Where not even root may make a folder.
    command = ["--bundles", bundles_folder, "--results", "/proc/results/results.sqlite"]
    ended = commands.controller("sweep", experiment, "--lab", lab, *command)

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
    manifest["digest"] = digest_of(manifest)
    (to / "manifest.json").write_text(json.dumps(manifest))


def test_a_result_that_differs_from_the_answer_voids_the_trial(
    experiment: Path, lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    with_wrong_answers(bundles_folder / "tiny", tmp_path / "bundles" / "tiny")

    ended = commands.sweep(experiment, lab, tmp_path / "bundles")

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
        ended = commands.sweep(experiment, lab, bundles_folder)
        thread.join()

    assert ended.returncode == 2
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("error: server:")
    assert "protocol" in last
    assert f"speaks protocol {VERSION + 1}, this end {VERSION}" in last


def test_a_progress_file_that_cannot_be_written(sweep: Command, tmp_path: Path) -> None:
    refused = sweep("--progress", str(tmp_path / "nowhere" / "progress.log"))
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"error: --progress {tmp_path}/nowhere/progress.log: cannot be written")
    assert refused.stderr.count("\n") == 1
