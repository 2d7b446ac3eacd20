"""`sweep.yml` and `report.yml`, and settings that a playbook refuses: real ansible-playbook, real workers."""

import json
from pathlib import Path

import pytest

from controller.results import Profiling, Results, Scope
from tests.integration.playbooks.local_lab import EXPERIMENT, LocalLab, assert_fails_saying, assert_succeeds

PLANNED = """
name: planned
models: [tiny]
bundles: ../bundles
networks: [ideal, lan]
search: planned
depths: [1, 2]
trials: 2
requests: 11
"""


def test_sweep_brings_bundles_runs_profiles_and_reports(lab: LocalLab, experiment: Path) -> None:
    swept = lab.play("sweep.yml", "experiment=experiments/tiny.yml", "results='../my results'")
    assert_succeeds(swept)
    results = lab.root / "my results"
    for device in ("pi", "server"):
        (bundle,) = (lab.state / device / "store" / "bundles").iterdir()
        assert {"manifest.json", "weights.bin", "shards.zip", "samples.npz"} <= {
            p.name for p in bundle.iterdir()
        }
    progress = (results / "progress.log").read_text(encoding="utf-8").splitlines()
    shown = [line.strip() for line in swept.stdout.splitlines()]
    for line in progress:
        assert shown.count(line.strip()) == progress.count(line), line

    again = lab.play(
        "sweep.yml", "experiment=ansible/experiments/tiny.yml", "results='my results'", within="."
    )
    assert_succeeds(again)
    assert "nothing to do: all trials are done" in again.stdout
    assert "Copy the bundle's files" not in again.stdout

    assert_succeeds(lab.play("report.yml", "results='my results'", within="."))
    assert (results / "report.html").stat().st_size > 0
    assert (results / "pareto.csv").read_text(encoding="utf-8").count("\n") > 1


def test_a_missing_bundle_is_named(lab: LocalLab, experiment: Path) -> None:
    absent = experiment.with_name("absent.yml")
    absent.write_text(EXPERIMENT.replace("models: [tiny]", "models: [resnet18]"), encoding="utf-8")
    done = lab.play("sweep.yml", f"experiment='{absent}'")
    assert_fails_saying(done, "error: ", "bundles/resnet18", "edgecut export")


def test_a_sweep_without_a_lab_says_what_makes_one(lab: LocalLab, experiment: Path) -> None:
    nowhere = lab.root / "nowhere"
    done = lab.play("sweep.yml", f"experiment='{experiment}'", f"edgecut_state_dir='{nowhere}'")
    assert_fails_saying(done, f"error: no lab file {nowhere}/local.json", "edgecut deploy")
    assert not nowhere.exists()


@pytest.mark.slow
def test_a_planned_sweep_profiles_first_and_a_time_budget_is_shared_out(
    lab: LocalLab, experiment: Path
) -> None:
    experiment.with_name("planned.yml").write_text(PLANNED, encoding="utf-8")
    short = lab.play("sweep.yml", "experiment=experiments/planned.yml", "time_budget=2s")
    assert_succeeds(short)
    results = lab.root / "results" / "planned" / "results.sqlite"
    with Results.open(results) as kept:
        assert {cell.network for cell in kept.cells()} == {"ideal", "lan"}
        assert len(kept.rows(Profiling)) == 1
    whole = lab.play("sweep.yml", "experiment=experiments/planned.yml")
    assert_succeeds(whole)
    with Results.open(results) as kept:
        assert {scope.ended for scope in kept.rows(Scope)} <= {"front stands", "share measured"}


@pytest.mark.parametrize(
    ("playbook", "settings", "says"),
    [
        ("sweep.yml", [], "No experiment is named"),
        ("sweep.yml", ["experiment=experiments/nope.yml"], "no experiment"),
        ("sweep.yml", ["experiment=experiments/typo.yml"], "no network 'wfi'"),
        ("report.yml", [], "No results are named"),
        ("report.yml", ["results=nowhere"], "nowhere/results.sqlite"),
        ("deploy.yml", ["workers=1"], "the inventory alone has 2 devices"),
        ("deploy.yml", ["shaping=tc"], "shaping is tc, and service_manager process has"),
        (
            "deploy.yml",
            ["service_manager=runit"],
            "value of service_manager must be one of: process, systemd,",
        ),
        ("sweep.yml", ["time_bugdet=20m"], "unknown setting 'time_bugdet'; did you mean 'time_budget'?"),
        ("report.yml", ["result=x"], "unknown setting 'result'; did you mean 'results'?"),
    ],
)
def test_bad_settings_are_named(
    lab: LocalLab, experiment: Path, playbook: str, settings: list[str], says: str
) -> None:
    typo = experiment.with_name("typo.yml")
    typo.write_text(EXPERIMENT.replace("[ideal, lan]", "[ideal, wfi]"), encoding="utf-8")
    assert_fails_saying(lab.play(playbook, *settings), says)


@pytest.mark.slow
def test_how_a_sweep_ended_is_written_beside_its_results(lab: LocalLab, experiment: Path) -> None:
    outcome = lab.root / "ended" / "outcome.json"
    settings = "experiment=experiments/tiny.yml", f"results='{outcome.parent}'"
    lab.worker("server").suspend()
    try:
        assert_fails_saying(lab.play("sweep.yml", *settings), "server: ")
        assert json.loads(outcome.read_text())["exit_code"] == 2
    finally:
        lab.worker("server").resume()
    assert_succeeds(lab.play("sweep.yml", *settings))
    assert json.loads(outcome.read_text()) == {
        **{"exit_code": 0, "incomplete": [], "left_out": [], "postponed": []}
    }
