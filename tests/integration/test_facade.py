"""`import edgecut`, on real workers: a script, a thread, a stop, a kill, and bad input."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

import edgecut
from tests.bundles import export_tiny
from tests.integration.waiting import wait_until

ROOT = Path(__file__).parents[2]

KEYS = {"name": "facade", "networks": ["ideal"], "splits": [2], "depths": [1, 2], "trials": 2, "requests": 11}


@pytest.fixture
def bundle(tmp_path: Path) -> edgecut.Bundle:
    """The model `tiny`."""
    export_tiny(tmp_path)
    return edgecut.open_bundle(tmp_path / "tiny")


def _script(folder: Path, code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_documented_script_gives_an_answer(tmp_path: Path) -> None:
    code = (ROOT / "docs" / "examples" / "first_answer.py").read_text(encoding="utf-8")
    with _script(tmp_path, code) as script:
        output = script.communicate(timeout=280)[0]
    assert script.returncode == 0, output
    answered = [line.split()[1:3] for line in output.splitlines() if line[:1].isdigit()]
    assert answered == [[n, o] for n in ("lan", "wifi") for o in ("latency", "throughput")], output
    assert (tmp_path / "results" / "front.pdf").read_bytes().startswith(b"%PDF")
    assert "squeezenet1_1" in (tmp_path / "results" / "first" / "report.html").read_text(encoding="utf-8")


def test_a_sweep_in_a_thread_stops_and_resumes(bundle: edgecut.Bundle, tmp_path: Path) -> None:
    results, stop = tmp_path / "new" / "r.sqlite", threading.Event()
    experiment = KEYS | {"models": [bundle]}
    trials: list[edgecut.Trial] = []
    steps: list[edgecut.Step] = []
    outcomes: list[edgecut.Outcome] = []

    def on_trial(_: edgecut.Cell, trial: edgecut.Trial) -> None:
        trials.append(trial)
        stop.set()

    with edgecut.local_lab({"one": 1, "two": 1}) as lab:
        before = signal.getsignal(signal.SIGINT)
        thread = threading.Thread(
            target=lambda: outcomes.append(
                edgecut.run_sweep(
                    experiment, lab, results, on_trial=on_trial, on_step=steps.append, stop=stop
                )
            )
        )
        thread.start()
        thread.join(120)
        assert signal.getsignal(signal.SIGINT) is before
        (outcome,) = outcomes
        assert outcome.interrupted
        assert outcome.done == len(trials) == 1
        rest = edgecut.run_sweep(experiment, lab, results)
        raised = edgecut.run_sweep(experiment | {"trials": 3}, lab, results)
        cell = edgecut.run_cell(bundle, lab, at=2, requests=11)
    assert not rest.interrupted
    assert rest.left == 0
    assert raised.done == 6
    assert steps[0].part == "accuracy"
    # Two ends and a split, at two depths, twice.
    assert {step.total for step in steps if step.part == "ideal"} == {12}
    assert cell.latency_s.shape == (11,)
    assert cell.throughput_per_s > 0

    found = edgecut.load_results(results)
    assert len(found.trials) == 18
    assert set(found.answers["objective"]) == {"latency", "throughput"}
    assert found.answers["gain"].notna().all()
    assert set(found.stages["device"]) == {"one", "two"}
    assert len(found.requests) == found.trials["requests"].sum()
    svg = found.figure("gains")._repr_mimebundle_()["image/svg+xml"]
    assert svg.startswith("<svg")
    with pytest.raises(edgecut.AnalysisError, match="did you mean 'gains'"):
        found.figure("gain")


def test_plans_come_from_a_profile(bundle: edgecut.Bundle, tmp_path: Path) -> None:
    profiles = tmp_path / "profiles"
    with edgecut.local_lab({"one": 4, "two": 1}) as lab:
        with pytest.raises(edgecut.ControllerError, match="profile"):
            edgecut.plan_splits(bundle, lab, device_profiles=profiles)
        profile = edgecut.profile_lab(bundle, lab, quick=True, budget_s=1, device_profiles=profiles)
        plans = edgecut.plan_splits(bundle, lab, network="wan", best=2, device_profiles=profiles)
    assert list(profile.devices) == ["one", "two"]
    best = [plan for plan in plans if not plan.is_baseline]
    assert len(best) == 2
    # A tiny model is not worth the way over a WAN.
    assert (best[0].devices, best[0].cuts) == (("one",), ())
    assert {plan.name for plan in plans if plan.is_baseline} >= {"stay", "offload"}


def test_workers_end_with_a_killed_program(tmp_path: Path) -> None:
    code = "import edgecut\nwith edgecut.local_lab({'a': 1}) as lab: print(flush=True); input()"
    with _script(tmp_path, code) as script:
        assert script.stdout is not None
        script.stdout.readline()
        (worker,) = psutil.Process(script.pid).children()
        script.kill()
    wait_until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)


def test_bad_input_is_one_line_that_says_what_to_do(bundle: edgecut.Bundle, tmp_path: Path) -> None:
    results = tmp_path / "r.sqlite"
    with edgecut.local_lab({"one": 1, "two": 1}) as lab:
        for change, match in (
            ({"networks": ["wfi"]}, "did you mean 'wifi'"),
            ({"splitz": [2]}, "splits"),
            ({"models": ["absent"]}, "no bundle"),
            ({"models": "tiny"}, "models"),
            ({"name": "08", "networks": ["wfi"]}, "did you mean 'wifi'"),
            ({"depths": [object()]}, "key 'depths'"),
        ):
            with pytest.raises(edgecut.ControllerError, match=match):
                edgecut.run_sweep(KEYS | {"models": [bundle]} | change, lab, results)
        with pytest.raises(edgecut.ControllerError, match="models"):
            edgecut.run_sweep(KEYS, lab, results)
        with pytest.raises(edgecut.ControllerError, match="no network 'wifi'"):
            edgecut.run_sweep(KEYS | {"models": [bundle]}, lab, results, networks="wifi")
        with pytest.raises(edgecut.ControllerError, match="no device 'three'"):
            edgecut.run_cell(bundle, lab, at=2, devices=["one", "three"])
    assert not results.exists()
    shutil.rmtree(bundle.path)
    with pytest.raises(edgecut.ExporterError, match="tiny"):
        edgecut.open_bundle(bundle.path)
