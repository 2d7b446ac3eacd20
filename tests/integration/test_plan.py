"""`controller profile` and `plan` against real workers: processes, sockets, ONNX Runtime."""

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.experiment.networks import Network
from controller.experiment.topology import payload_bytes
from controller.planning import Predictor, load_profile
from exporter.bundle import Bundle
from tests.integration import commands
from tests.integration.commands import Ended, start

Run = Callable[..., Ended]


@pytest.fixture
def controller(lab: Path, bundles_folder: Path, tmp_path: Path) -> Run:
    networks = tmp_path / "networks.yml"
    networks.write_text("ideal: {}\nslow: {delay_ms: 5, rate_mbit: 1}\n")

    def run(command: str, *options: str) -> Ended:
        line = [command, bundles_folder / "tiny", "--lab", lab, "--device-profiles", tmp_path / "profiles"]
        if command in ("plan", "predict"):
            line += ["--networks", networks]
        return commands.controller(*line, *options, timeout_s=200)

    return run


@pytest.mark.slow
def test_profiled_once_then_planned(controller: Run, tmp_path: Path, tiny: Bundle) -> None:
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
    with_codec = controller("plan", "--codec", "fp16", "--network", "slow", "--least-accuracy", "0.1")
    assert "network slow, codec fp16" in " ".join(with_codec.stdout.split()), with_codec.stderr

    planned = controller("plan", "--objective", "pareto", "--network", "slow", "--json")
    assert planned.returncode == 0, planned.stderr
    answer = json.loads(planned.stdout)
    # A link of 1 Mbit/s and 5 ms is worth it for nobody: two delays are far longer than the whole model.
    assert answer["plans"][0]["devices"] == ["pi"]
    assert {b["name"] for b in answer["baselines"]} >= {
        "stay",
        "offload",
        "equal layers",
        "greedy",
    }
    shown = controller("plan", "--objective", "latency", "--network", "slow")
    assert "one device alone is best" in shown.stdout

    given = controller("predict", "--at", "2", "--depth", "2", "--network", "slow", "--json")
    assert given.returncode == 0, given.stderr
    assert json.loads(given.stdout)["stages"] == "pi 0-2 -> server 2-4"

    predictor = Predictor(load_profile(path), tiny, Network(delay_ms=5))
    assert predictor.predict(("pi", "server"), (2,)).plan.latency_s > 0.010

    for options, says in (
        (["--most-latency-ms", "0.00001"], "error: no plan meets latency <= 1e-05 ms (the lowest is"),
        (
            ["--without", "server", "--memory", "pi=1MB"],
            "error: no plan meets memory of pi <= 1 MB\n",
        ),
        (["--without", "sever"], "error: no device 'sever' in lab 'test'; did you mean 'server'?"),
        (["--without", "pi"], "error: --without pi: excludes the source; choose another with --source"),
        (["--source", "nobody"], "error: no device 'nobody' in lab 'test'"),
        (["--memory", "pi=lots"], "error: --memory pi=lots: give DEVICE=SIZE in kB, MB or GB"),
        (
            ["--objective", "speed"],
            "error: --objective speed: choose one of latency, throughput, knee, pareto",
        ),
        (["--codec", "uint8"], "error: the device profile has no codec 'uint8' (it has fp16); measure it"),
        (["--codec", "zip"], "error: --codec: "),
        (["--at", "2"], "error: No such option: --at"),
        (["--network", "wifi"], "error: no network 'wifi' in"),
        (["--batch", "8"], "batch8-threads1.json; run `python -m controller profile BUNDLE`"),
    ):
        refused = controller("plan", *options)
        assert refused.returncode == 2, (options, refused.stdout)
        assert says in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_planning_without_a_profile(controller: Run) -> None:
    refused = controller("plan")
    assert refused.returncode == 2
    assert "no device profile" in refused.stderr
    assert refused.stderr.count("\n") == 1


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
    deadline_s = time.monotonic() + 60
    while not progress.is_file() or not progress.stat().st_size:
        assert time.monotonic() < deadline_s, "nothing is profiled"
        time.sleep(0.01)
    stopped.send_signal(signal.SIGINT)
    said = stopped.communicate(timeout=60)[1]
    assert stopped.returncode == 130
    assert said.endswith("interrupted; no device profile was written; run the same command to start again\n")
    assert not list((tmp_path / "profiles").glob("*"))
