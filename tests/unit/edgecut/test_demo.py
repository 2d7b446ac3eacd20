"""`edgecut demo` without its steps: what ends it, what is undone then, and what is not done twice."""

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from edgecut import demo
from edgecut.cli.main import main
from edgecut.playbook import ROOT, Ended, Playbook

Steps = Callable[[Mapping[str, str], int], list[str]]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the demo needs of a clone, and a machine that is idle."""
    for name in ("ansible/experiments/demo.yml", "ansible/networks.yml", "inventory/local/hosts.yml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr("edgecut.demo.ROOT", tmp_path)
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 5.0)
    return tmp_path


@pytest.fixture
def steps(clone: Path, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Replace commands by Python statements, and playbooks by exit codes; returns what runs, as it begins."""
    begun: list[str] = []

    def replace(statements: Mapping[str, str], deploys: int = 0) -> list[str]:
        def command(module: str, *arguments: str) -> list[str]:
            what = arguments[arguments.index("--network") + 1] if "--network" in arguments else module
            begun.append(what)
            return [sys.executable, "-c", statements.get(what, "pass")]

        def run(playbook: Playbook) -> Ended:
            begun.append(playbook.name)
            return Ended(deploys if playbook.name == "deploy" else 0)

        monkeypatch.setattr("edgecut.demo._python", command)
        monkeypatch.setattr("edgecut.demo.run", run)
        monkeypatch.setattr(
            demo.Demo, "_answer", lambda self, network=None: [f"answer for {network or 'all'}"]
        )
        return begun

    return replace


WHOLE = ["edgecut.demo_model", "deploy", "wifi", "lan", "wan", "teardown", "analysis"]


@pytest.mark.processes
def test_each_answer_is_shown_when_it_is_there(steps: Steps, capsys: pytest.CaptureFixture[str]) -> None:
    assert steps({}, 0) == []
    assert main(["demo"]) == 0
    said = capsys.readouterr()
    assert [line for line in said.out.splitlines() if line.startswith("answer")] == [
        "answer for wifi",
        "answer for lan",
        "answer for wan",
    ]
    assert "wifi within 2 minutes" in said.out
    assert said.err == ""


@pytest.mark.processes
@pytest.mark.parametrize(
    ("statements", "deploys", "code", "begun"),
    [
        ({"edgecut.demo_model": "import time; time.sleep(60)"}, 2, 2, ["edgecut.demo_model", "deploy"]),
        ({"edgecut.demo_model": "raise SystemExit(2)"}, 0, 2, ["edgecut.demo_model", "deploy"]),
        ({"lan": "raise SystemExit(130)"}, 0, 130, ["edgecut.demo_model", "deploy", "wifi", "lan"]),
    ],
    ids=["no lab", "no model", "Ctrl-C"],
)
def test_what_fails_ends_it_and_the_lab_goes(
    statements: Mapping[str, str],
    deploys: int,
    code: int,
    begun: list[str],
    steps: Steps,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ran, began_s = steps(statements, deploys), time.monotonic()
    assert main(["demo"]) == code
    assert capsys.readouterr().err == "", "what failed has said so"
    assert ran == [*begun, "teardown"]
    assert time.monotonic() - began_s < 30, "a model that is being made is not waited for"


@pytest.mark.processes
def test_missing_trials_do_not_keep_the_report_back(steps: Steps) -> None:
    ran = steps({"wifi": "raise SystemExit(1)"}, 0)
    assert main(["demo"]) == 1
    assert ran == WHOLE


@pytest.mark.processes
def test_a_finished_demo_is_shown_until_what_it_depends_on_changes(
    clone: Path, steps: Steps, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = steps({}, 0)
    assert main(["demo"]) == 0
    (clone / "results" / "demo" / "report.html").touch()
    assert main(["demo"]) == 0
    assert ran == WHOLE
    said = capsys.readouterr().out.splitlines()
    assert said[-3] == "answer for all"
    assert said[-2] == f"All is done. To start over: rm -r {clone}/results/demo"
    (clone / "inventory" / "local" / "hosts.yml").write_text("devices: {}\n")
    assert main(["demo"]) == 0
    assert ran == [*WHOLE, *WHOLE]


@pytest.mark.processes
def test_a_busy_machine_is_said_before_anything_is_measured(
    steps: Steps, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps({}, 0)
    monkeypatch.setattr("psutil.cpu_percent", lambda interval: 61.0)
    assert main(["demo"]) == 0
    assert capsys.readouterr().err.startswith("warning: this machine is busy (61% of its processors)")


def test_the_demo_needs_a_clone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgecut.demo.ROOT", tmp_path)
    assert main(["demo"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: no {tmp_path}/ansible/experiments/demo.yml; install edgecut from a clone")
    assert not (tmp_path / "results").exists()
