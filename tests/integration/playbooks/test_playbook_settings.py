"""What is wrong with a playbook's settings is named."""

from pathlib import Path

import pytest

from tests.integration.playbooks.local_lab import EXPERIMENT, LocalLab, assert_fails_saying


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
        ("deploy.yml", ["threads=two"], "argument 'threads' is of type str"),
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
