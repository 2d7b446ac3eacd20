"""`controller plan` and `predict`, by a device profile of real workers."""

import json
from pathlib import Path

import pytest

from controller.experiment.networks import Network
from controller.planning import Predictor, load_profile
from exporter.bundle import Bundle
from tests.integration.planning.conftest import Run


@pytest.mark.slow
def test_plans_and_predictions_by_a_profile(controller: Run, tmp_path: Path, tiny: Bundle) -> None:
    taken = controller("profile", "--budget", "1", "--cuts", "blocks", "--codecs", "none,fp16")
    assert taken.returncode == 0, taken.stderr
    path = tmp_path / "profiles" / "test-tiny-batch1-threads1.json"
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
        (["--batch", "8"], "batch8-threads1.json; run `edgecut profile BUNDLE`"),
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
