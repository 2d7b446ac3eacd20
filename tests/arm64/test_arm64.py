"""The worker, installed as on a Raspberry Pi and run on its instruction set, computes what it does here."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from exporter.bundle import Bundle, Shard
from exporter.export import ExportSettings, export
from tests.arm64.arm64_root import Arm64Root, emulation
from worker.host.device import source_digest
from worker.inference.stage import Stage
from worker.wire.control import ControlConnection
from worker.wire.messages import Claim, Infer, Query, ShardRef, TensorSpec

# The first run downloads Debian and unpacks it under emulation.
pytestmark = [pytest.mark.arm64, pytest.mark.timeout(1800)]

ROOT = Path(__file__).parents[2]
PYTHON = "/opt/edgecut/venv/bin/python"
MODELS = ("mobilenet_v3_small", "squeezenet1_1")
CUT_POINTS = 5

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arm64Root]:
    """An arm64 system with the worker's environment in it, made by the role."""
    with emulation():
        root = Arm64Root(tmp_path_factory.mktemp("arm64"))
        try:
            done = make_environment(root)
            assert done.returncode == 0, done.stdout + done.stderr
            yield root
        finally:
            shutil.rmtree(root.folder)


def make_environment(root: Arm64Root) -> subprocess.CompletedProcess[str]:
    connection = {
        "ansible_connection": "community.general.chroot",
        "ansible_python_interpreter": "/usr/bin/python3.11",
    }
    inventory: Path = root.folder.with_suffix(".json")
    inventory.write_text(json.dumps({"all": {"hosts": {str(root.folder): connection}}}))
    play: list[str | Path] = [
        sys.executable,
        "-m",
        "ansible",
        "playbook",
        "-i",
        inventory,
        "tests/arm64/environment.yml",
    ]
    return subprocess.run(
        root.within(play),
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_ROLES_PATH": str(ROOT / "ansible" / "roles")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def worker(device: Arm64Root) -> Iterator[ControlConnection]:
    """The worker's process, emulated, and claimed over its socket."""
    options = ["--name", "arm", "--store", "/store", "--control-port", "0", "--data-port", "0"]
    process = subprocess.Popen(
        device.inside([PYTHON, "-I", "-m", "worker", "serve", *options]), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        with process.stdout as pipe:
            port = json.loads(pipe.readline())["control_port"]
        with ControlConnection.open("127.0.0.1", port, timeout_s=30) as connection:
            connection.ask(Claim(holder="test"))
            yield connection
    finally:
        process.terminate()
        process.wait(60)


def test_a_second_deploy_changes_nothing(device: Arm64Root) -> None:
    again = make_environment(device)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "changed=0" in again.stdout


def test_the_worker_is_this_one_on_arm64(worker: ControlConnection) -> None:
    stamp = worker.ask(Query()).stamp
    assert stamp["machine"] == "aarch64"
    assert stamp["worker_digest"] == source_digest()
    assert stamp["provider"] == "cpu"


@pytest.mark.parametrize("model", MODELS)
def test_shards_compute_what_they_compute_here(
    model: str, device: Arm64Root, worker: ControlConnection, tmp_path: Path
) -> None:
    settings = ExportSettings(model, tmp_path / model, input_size=64, dataset="digits", samples=8)
    bundle = Bundle.open(export(settings, lambda _line: None).path)
    shutil.copytree(bundle.path, device.folder / "store" / "bundles" / bundle.digest)
    given = {name: array[:1] for name, array in bundle.samples().inputs.items()}
    positions = np.linspace(1, bundle.node_count - 1, CUT_POINTS, dtype=int).tolist()
    for position in positions:
        arrays: Arrays = given
        for shard in (bundle.shard(0, position), bundle.shard(position, bundle.node_count)):
            here = Stage(shard.graph, bundle.path, threads=1, label="here").run(arrays)
            there = infer(worker, bundle, shard, arrays)
            for name, right in here.items():
                assert np.abs(there[name] - right).max() <= 1e-4 * np.abs(right).max(), (position, name)
            arrays = arrays | here
            arrays = {tensor.name: arrays[tensor.name] for tensor in shard.outputs}


def infer(worker: ControlConnection, bundle: Bundle, shard: Shard, arrays: Arrays) -> Arrays:
    """Run a shard on the device."""
    wanted = [tensor.name for tensor in shard.inputs]
    given = {name: np.ascontiguousarray(arrays[name]) for name in wanted}
    request = Infer(
        shard=ShardRef(digest=shard.digest, bundle=bundle.digest, start=shard.start, stop=shard.stop),
        inputs=tuple(
            TensorSpec(name=name, dtype=array.dtype.name, shape=array.shape) for name, array in given.items()
        ),
        data=tuple(array.tobytes() for array in given.values()),
    )
    told = worker.ask(request, timeout_s=120)
    return {
        tensor.name: np.frombuffer(data, tensor.dtype).reshape(tensor.shape)
        for tensor, data in zip(told.tensors, told.data, strict=True)
    }
