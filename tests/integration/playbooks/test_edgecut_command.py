"""`edgecut` in front of the playbooks: real ansible-playbook, real workers, from a folder elsewhere."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.results import Results
from tests.integration.playbooks.local_lab import EXPERIMENT, TINY_MODEL, LocalLab


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the user stands: a folder with an experiment and its bundle."""
    folder = tmp_path_factory.mktemp("my work")
    (folder / "tiny.py").write_text(TINY_MODEL, encoding="utf-8")
    export = [sys.executable, "-m", "edgecut", "export", "tiny.py:build", "--out", "bundles/tiny"]
    subprocess.run(export, cwd=folder, check=True, capture_output=True)
    text = EXPERIMENT.replace("../bundles", "bundles").replace("[0, 2, 4]", "[0, 4]")
    (folder / "tiny.yml").write_text(text, encoding="utf-8")
    (folder / "endless.yml").write_text(
        text.replace("trials: 2", "trials: 200").replace("requests: 11", "requests: 60"), encoding="utf-8"
    )
    longer = text.replace("requests: 11", "requests: 600").replace("[ideal, lan]", "[ideal]")
    (folder / "long.yml").write_text(longer, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, here: Path) -> Iterator[LocalLab]:
    """Two devices, deployed by `edgecut deploy`."""
    lab = LocalLab(tmp_path_factory.mktemp("a lab"))
    try:
        deployed = lab.edgecut("deploy", within=here)
        assert deployed.returncode == 0, deployed.stdout + deployed.stderr
        lines = deployed.stdout.splitlines()
        assert "deploy: install and run the worker (pi, server)" in lines
        assert len(lines) < 10, deployed.stdout
        yield lab
    finally:
        lab.kill()


def networks(lab: LocalLab) -> Path:
    return lab.root / "ansible" / "networks.yml"


def test_a_sweep_ends_with_the_answer_and_the_report(lab: LocalLab, here: Path) -> None:
    swept = lab.edgecut(
        "sweep", "tiny.yml", "--results", "my results", "--networks", networks(lab), within=here
    )
    assert swept.returncode == 0, swept.stdout + swept.stderr
    lines = swept.stdout.splitlines()
    assert "sweep: run the cells of network ideal (pi, server)" in lines
    # The workers emulate these links, so there is nothing to shape.
    assert not any("shape" in line or "clear" in line for line in lines), swept.stdout
    rows = {line.split()[0] for line in lines if line.startswith(" ") and "latency" in line}
    assert {"ideal", "lan"} <= rows, swept.stdout
    assert lines[-1] == f"report: {here}/my results/report.html"
    assert (here / "my results" / "report.html").stat().st_size > 0
    (log,) = (lab.state / "log").glob("*-sweep.log")
    assert "TASK [Bring the bundles" in log.read_text(encoding="utf-8")


def test_an_inventory_names_the_lab_for_packages_too(lab: LocalLab, here: Path) -> None:
    arguments = [sys.executable, "-m", "edgecut", "lab", "status", "-i", "inventory/local", "--json"]
    done = subprocess.run(
        arguments, cwd=here, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(lab.root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    states = json.loads(done.stdout)
    assert [(state["device"], state["problem"]) for state in states] == [("pi", None), ("server", None)]


def test_exit_codes_of_a_sweep_pass_through(lab: LocalLab, here: Path) -> None:
    options = ("--networks", networks(lab), "--results", "short", "--time-budget", "1s")
    short = lab.edgecut("sweep", "long.yml", *options, within=here)
    assert short.returncode == 3, short.stdout + short.stderr
    assert "time budget used up" in short.stdout


def test_ctrl_c_ends_after_the_trial_and_says_how_to_go_on(lab: LocalLab, here: Path) -> None:
    process = lab.start_edgecut(
        "sweep", "endless.yml", "--networks", networks(lab), "--results", "broken off", within=here
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("  ideal: ") and "0/" not in line:
                os.killpg(process.pid, signal.SIGINT)
                break
        out, err = process.communicate()
    assert process.returncode == 130, out + err
    assert "interrupted; finished trials are saved; run the same command to resume" in err
    assert "Traceback" not in err
    with Results.open(here / "broken off" / "results.sqlite") as kept:
        assert 1 <= len(kept.finished()) < 800


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["sweep", "tiny.yml", "-e", "time_bugdet=20m"], "did you mean 'time_budget'?"),
        (["deploy", "--workers", "1"], "workers=1: the inventory alone has 2 devices"),
        (["deploy", "-e", "@nowhere.yml"], "nowhere.yml"),
        (["best-split", "resnet18", "--bundles", "bundles"], "no bundle"),
        (["lab", "up", "-i", "inventory/local"], "This inventory has no virtual Pis or namespaces"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_said_without_a_traceback(
    lab: LocalLab, here: Path, given: list[str], says: str
) -> None:
    done = lab.edgecut(*given, within=here)
    assert done.returncode == 2, done.stdout + done.stderr
    *error, details = done.stderr.splitlines()
    # A command to paste, or the rows of a table, are on lines of their own.
    assert error[0].startswith("error: ") and says in " ".join(error), done.stderr
    assert Path(details.removeprefix("details: ")).is_relative_to(lab.state / "log")


def test_the_locale_does_not_matter(lab: LocalLab, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    done = lab.edgecut("deploy", "-e", "time_bugdet=20m", within=here)
    assert "did you mean 'time_budget'?" in done.stderr


def test_all_faults_of_an_inventory_are_one_table(lab: LocalLab, here: Path) -> None:
    done = lab.edgecut("lab", "check", "-e", "shaping=tc", within=here)
    assert done.returncode == 2
    assert done.stderr.startswith("error: Nothing was changed. What is wrong where:\n")
    assert {"pi", "server"} <= set(done.stderr.replace(",", " ").split())


def test_a_new_lab_passes_the_check_of_settings(lab: LocalLab, here: Path) -> None:
    new = ["lab", "new", "mine", "--device", "pi1=192.0.2.11", "--device", "pi2=192.0.2.12,eth0"]
    arguments = [sys.executable, "-m", "edgecut", *new]
    subprocess.run(arguments, cwd=here, check=True, env=os.environ | {"PYTHONPATH": str(lab.root)})
    done = lab.edgecut("lab", "check", "-i", "inventory/mine", "-e", "ansible_timeout=1", within=here)
    assert done.returncode == 2
    assert "unknown setting" not in done.stderr
    faults = [line.split()[:2] for line in done.stderr.splitlines()]
    assert ["pi1", "ssh"] in faults and ["pi2", "ssh"] in faults


def test_teardown_leaves_no_process(lab: LocalLab, here: Path) -> None:
    done = lab.edgecut("teardown", within=here)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.processes() == []
    assert [path.name for path in lab.state.iterdir()] == ["log"]
