"""`controller profile` against real workers: processes, sockets, ONNX Runtime."""

import json
import signal
from pathlib import Path

import pytest

from controller.experiment.topology import payload_bytes
from controller.planning import load_profile
from exporter.bundle import Bundle
from tests.integration.commands import start
from tests.integration.planning.conftest import Run
from tests.integration.waiting import wait_until


@pytest.mark.slow
def test_profiled_once_then_shown(controller: Run, tmp_path: Path, tiny: Bundle) -> None:
    taken = controller("profile", "--budget", "1")
    assert taken.returncode == 0, taken.stderr
    assert "block.0" in taken.stdout and "pi -> server" in taken.stdout
    path = tmp_path / "profiles" / "test-tiny-batch1-threads1.json"
    profile = load_profile(path)
    assert profile.cuts == (0, 1, 2, 3, 4)
    assert {(pair.source, pair.follower) for pair in profile.pairs} == {("pi", "server"), ("server", "pi")}
    assert all(device.prefix_s[-1] > 0 for device in profile.devices.values())

    # It fits, so it is shown and not taken again.
    again = controller("profile", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["taken_at"] == profile.taken_at
    assert len(json.loads(again.stdout)["devices"]["pi"]["segments"]) == 4
    other = controller("profile", "--budget", "1", "--cuts", "blocks")
    assert "is of other cuts: profiling again" in other.stderr

    coded = controller("profile", "--cuts", "blocks", "--codecs", "none,fp16")
    assert coded.returncode == 0, coded.stderr
    assert "codecs measured: fp16" in coded.stderr
    codec = load_profile(path).codecs["fp16"]
    assert set(codec.costs) == {"pi", "server"}
    assert codec.encoded_bytes[1] == payload_bytes(tiny.tensors_at(load_profile(path).cuts[1]), 1) / 2
    assert all(cost.encode_fixed_s + cost.encode_byte_s > 0 for cost in codec.costs.values())


@pytest.mark.slow
def test_a_profile_of_a_device_as_it_is_no_more(controller: Run, tmp_path: Path) -> None:
    assert controller("profile", "--budget", "1", "--quick").returncode == 0
    path = tmp_path / "profiles" / "test-tiny-batch1-threads1.json"
    assert load_profile(path).quick
    assert "profiling again" not in controller("profile", "--budget", "1", "--quick").stderr
    assert "is a quick one: profiling again" in controller("profile", "--budget", "1").stderr
    assert not load_profile(path).quick
    assert "profiling again" not in controller("profile", "--budget", "1", "--quick").stderr
    told = json.loads(path.read_text())
    told["devices"]["pi"]["settings"]["slowdown"] = 18.0
    path.write_text(json.dumps(told))
    refused = controller("plan")
    assert refused.returncode == 2
    assert "is of another setting (slowdown of pi was 18.0, is 1.0); run" in refused.stderr
    told["bundle"] = "0" * 64
    path.write_text(json.dumps(told))
    refused = controller("plan")
    assert "is of another bundle (000000000000, not " in refused.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cuts", "some"], "error: --cuts some: choose one of clean, blocks, all"),
        (["--codecs", "zip"], "error: --codecs: "),
        (["--budget", "0"], "error: "),
    ],
)
def test_what_cannot_be_profiled(controller: Run, options: list[str], says: str) -> None:
    refused = controller("profile", *options)
    assert refused.returncode == 2
    assert refused.stderr.startswith(says)
    assert refused.stderr.count("\n") == 1


def test_a_profile_that_is_stopped_says_that_there_is_none(
    lab: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    progress = tmp_path / "progress.log"
    line = ["profile", bundles_folder / "tiny", "--lab", lab, "--device-profiles", tmp_path / "profiles"]
    stopped = start(*line, "--progress", progress)
    wait_until(lambda: progress.is_file() and progress.stat().st_size > 0)
    stopped.send_signal(signal.SIGINT)
    said = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130
    assert said.endswith("interrupted; no device profile was written; run the same command to start again\n")
    assert not list((tmp_path / "profiles").glob("*"))
