"""`make demo` as a user runs it, of a smaller model and fewer cells; the real one takes minutes."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks.pages.browser import program_of
from tests.integration.ports import free_ports
from tests.integration.report_lengths import MOST_PAGES, MOST_WORDS, lengths

ROOT = Path(__file__).parents[2]

# About ten times what it takes.
LONGEST_S = 900


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository, in a path with a space, that uses this interpreter's packages."""
    project = tmp_path_factory.mktemp("a project")
    for name in (
        "exporter",
        "worker",
        "controller",
        "analysis",
        "edgecut",
        "ansible",
        "inventory",
        "scripts",
    ):
        shutil.copytree(ROOT / name, project / name)
    for name in ("ansible.cfg", "Makefile"):
        shutil.copy(ROOT / name, project)
    (project / ".venv").mkdir()
    for name in ("bin", "lib", "pyvenv.cfg"):
        (project / ".venv" / name).symlink_to(Path(sys.prefix) / name)
    (project / "scripts" / "venv").write_text("#!/bin/sh\n", encoding="utf-8")

    _replace(project / "edgecut" / "demo_model.py", '"mobilenet_v2"', '"squeezenet1_1"')
    _replace(project / "edgecut" / "demo_model.py", '"40", "--epochs", "3"', '"32", "--epochs", "1"')
    _replace(
        project / "edgecut" / "demo.py", "_BASE_PORT: Final = 7180", f"_BASE_PORT: Final = {free_ports(8)}"
    )
    experiment = project / "ansible" / "experiments" / "demo.yml"
    _replace(experiment, "models: [mobilenet_v2]", "models: [squeezenet1_1]")
    text = experiment.read_text(encoding="utf-8")
    text, replaced = re.subn(r"splits: \[.*?\]", "splits: [20]", text, flags=re.DOTALL)
    assert replaced == 1
    experiment.write_text(text, encoding="utf-8")
    _replace(experiment, "trials: {least: 2, most: 5, until: 0.95}", "trials: 1")
    return project


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _start(project: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "demo"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "ANSIBLE_"))},
    )


def _run(project: Path) -> tuple[subprocess.Popen[str], str]:
    """The whole of it, and what it said; what hangs is ended, and its last words are shown."""
    with _start(project) as demo:
        try:
            return demo, demo.communicate(timeout=LONGEST_S)[0]
        except subprocess.TimeoutExpired as error:
            os.killpg(demo.pid, signal.SIGKILL)
            pytest.fail(f"not done after {LONGEST_S} s; it said:\n{(error.output or b'').decode()}")


def _interrupted(demo: subprocess.Popen[str]) -> str:
    """Press Ctrl-C, and again where that hangs, as a person would; returns what it still said.

    Ansible kills the process of its task at Ctrl-C. One that holds the lock of Ansible's queue leaves Ansible
    waiting for that lock for ever, until the second Ctrl-C.
    """
    os.killpg(demo.pid, signal.SIGINT)
    try:
        return demo.communicate(timeout=60)[0]
    except subprocess.TimeoutExpired:
        os.killpg(demo.pid, signal.SIGINT)
        return demo.communicate(timeout=60)[0]


def _workers(project: Path) -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(project / "results") in word for word in process.info["cmdline"] or [])
    ]


def _trials(project: Path) -> int:
    path = project / "results" / "demo" / "results.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        (count,) = db.execute("SELECT count(*) FROM trial WHERE status = 'done'").fetchone()
    return int(count)


@pytest.mark.timeout(2 * LONGEST_S)
def test_demo_goes_on_where_it_was_stopped_and_says_when_all_is_done(project: Path) -> None:
    results = project / "results" / "demo"

    # Ctrl-C in the middle of the sweep: the lab goes, what was measured stays.
    with _start(project) as demo:
        assert demo.stdout is not None
        said = []
        for line in demo.stdout:
            said.append(line)
            if re.match(r"wifi: \d+/", line):
                break
        else:
            pytest.fail("".join(said))
        rest = _interrupted(demo)
    assert demo.returncode != 0
    assert "Traceback" not in rest
    psutil.wait_procs(_workers(project), timeout=20)
    assert _workers(project) == []
    assert not (results / "lab").exists()
    finished = _trials(project)
    assert finished > 0

    # The same command goes on: nothing is trained or exported again.
    demo, output = _run(project)
    assert demo.returncode == 0, output
    assert "epoch" not in output
    # Networks, splits, depths: both ends and the equal split always, the fourth where it could be best.
    assert 3 * 3 * 2 <= _trials(project) <= 3 * 4 * 2
    assert _trials(project) > finished
    assert _workers(project) == []
    for network in ("wifi", "lan", "wan"):
        assert f"{network}: the answer" in output
    for name in ("report.html", "pareto.csv", "cells.csv"):
        assert (results / name).stat().st_size > 0
    assert list((results / "figures").glob("*.svg"))
    answers = json.loads((results / "answers.json").read_text(encoding="utf-8"))
    assert {answer["network"] for answer in answers} == {"lan", "wifi", "wan"}
    assert output.rstrip().endswith("results/demo/report.html")
    assert "PLAY" not in output and "TASK" not in output, "what Ansible itself prints is in the log"
    if program_of("chromium"):
        words, pages = lengths(results / "report.html")
        assert words <= MOST_WORDS
        assert pages <= MOST_PAGES

    # And once more: there is nothing to do.
    demo, output = _run(project)
    assert demo.returncode == 0
    assert "All is done" in output
    assert "deploy" not in output
