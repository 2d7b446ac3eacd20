"""A finished sweep gets more blocks when its experiment has more trials, and nothing else may change."""

import json
from pathlib import Path

import pytest

from controller.results import Block, Results
from controller.results.rows import ExperimentRow
from tests.integration.commands import analysis, controller
from tests.integration.labs import add
from tests.integration.sweep.sweeping import Command, finished


@pytest.fixture
def swept(sweep: Command, experiment: Path) -> Command:
    """Three cells under one network have a trial each."""
    add(experiment, networks=["ideal"], depths=[1], splits=[2], trials=1)
    ended = sweep()
    assert ended.returncode == 0, ended.stderr
    return sweep


def test_more_trials_are_run_and_both_experiments_stay_readable(swept: Command, experiment: Path) -> None:
    before = experiment.read_text()
    add(experiment, trials=3)

    (part,) = json.loads(swept("--dry-run", "--json").stdout)["by_network"]
    assert (part["trials"], part["missing_trials"], part["complete"]) == (9, 6, False)
    ended = swept()
    assert "complete: 6 trials done" in ended.stderr

    path = experiment.parent / "results.sqlite"
    with Results.open(path) as results:
        assert [row.text for row in results.rows(ExperimentRow)] == [before, experiment.read_text()]
        assert [block.number for block in results.rows(Block)] == [0, 1, 2]
        assert len(results.finished()) == 9
        # Answers were looked at after one trial and after three.
        wanted = results.trials_wanted()
        assert (wanted.most, [before.most for before in wanted.earlier]) == (3, [1])
        assert wanted.level_of_pair > 0.95
    assert "9 of 9 trials finished" in controller("check", path).stdout
    out = experiment.parent / "out"
    assert analysis("report", path, "--out", out, "--figures", "").returncode == 0
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "trials: 3" in page and "trials: 1" not in page


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"trials": 3, "seed": 9}, "holds results of another experiment (tiny)"),
        (
            {"trials": {"least": 2, "most": 3, "until": 0.6}},
            "of this experiment with trials 1, which 2 to 3 until 0.6 does not raise",
        ),
    ],
)
def test_anything_else_is_refused(
    swept: Command, experiment: Path, changed: dict[str, object], says: str
) -> None:
    add(experiment, **changed)
    for options in ((), ("--dry-run",)):
        ended = swept(*options)
        assert (ended.returncode, finished(experiment)) == (2, 3)
        assert says in ended.stderr
        assert ended.stderr.strip().count("\n") == 0


def test_answers_may_be_wanted_surer_and_trials_not_fewer(sweep: Command, experiment: Path) -> None:
    trials = {"least": 2, "most": 2, "until": 0.6}
    add(experiment, networks=["ideal"], depths=[1], splits=[], trials=trials)
    assert sweep().returncode == 0
    assert finished(experiment) == 4
    add(experiment, trials=trials | {"most": 3, "least": 3, "until": 0.7})

    assert "complete: 2 trials done" in sweep().stderr
    assert finished(experiment) == 6
    with Results.open(experiment.parent / "results.sqlite") as results:
        assert results.trials_wanted().is_settled("ideal")
        assert [look.block for look in results.trials_wanted().looks.values()] == [3]
    add(experiment, trials=trials)
    ended = sweep()
    assert ended.returncode == 2
    assert "with trials 3 to 3 until 0.7, which 2 to 2 until 0.6 does not raise" in ended.stderr
