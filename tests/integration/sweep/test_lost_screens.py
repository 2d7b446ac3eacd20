"""Commands whose output cannot be written: a sweep goes on, and exit codes say what was lost."""

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis.__main__ import main as analysis
from controller.cli.app import main as controller
from controller.results import Results
from tests.integration.commands import sweep_arguments
from tests.integration.labs import write_experiment
from tests.integration.sweep.sweeping import finished, wait_for_trials
from tests.screens import LOST, SCREENS, codes, replaced
from tests.unit.analysis.synthetic import write_sweep

BOTH = [*codes("stdout"), *codes("stderr")]
NETWORKS = "réseau 慢: {}\n"
ALONE = {"placements": [["pi"]], "splits": []}
"""A single cell, so that a sweep is short."""


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """With a network that an ASCII terminal cannot show."""
    return write_experiment(tmp_path, NETWORKS, **ALONE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep, without devices."""
    return write_sweep(tmp_path_factory.mktemp("results") / "results.sqlite", cuts=(0, 24, 60))


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """What commands and Python itself say; never a traceback."""
    yield capfd
    said = capfd.readouterr()
    for text in (said.out, said.err):
        assert "Traceback" not in text
        assert "Exception ignored" not in text


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(("stream", "kind", "_code"), BOTH)
def test_a_sweep_goes_on_without_its_screen(
    stream: str, kind: str, _code: int, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    with replaced(stream, kind):
        assert controller(sweep_arguments(experiment, lab, bundles_folder)) == 0
    assert finished(experiment) == 1
    assert voids(experiment) == []


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("kind", SCREENS)
def test_ctrl_c_without_a_screen_ends_the_sweep_in_order_and_blames_no_device(
    kind: str, experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    """Its announcement once raised within whatever the sweep asked of a device."""
    write_experiment(experiment.parent, NETWORKS, trials=200, **ALONE)
    interrupting = threading.Thread(target=interrupt, args=(experiment,))
    interrupting.start()
    with replaced("stderr", kind):
        assert controller(sweep_arguments(experiment, lab, bundles_folder)) == 130
    interrupting.join()
    assert voids(experiment) == []


def interrupt(experiment: Path) -> None:
    wait_for_trials(experiment, 2)
    os.kill(os.getpid(), signal.SIGINT)


def voids(experiment: Path) -> list[object]:
    with Results.open(experiment.parent / "results.sqlite") as results:
        return list(results.voids())


@pytest.mark.usefixtures("said")
def test_a_progress_file_that_is_full_does_not_end_a_sweep(
    experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    assert controller(sweep_arguments(experiment, lab, bundles_folder, "--progress", "/dev/full")) == 0
    assert finished(experiment) == 1


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(("stream", "kind", "code"), BOTH)
@pytest.mark.parametrize(
    "words",
    [["check"], ["watch", "--once"], ["watch"], ["best"]],
    ids=" ".join,
)
def test_a_command_says_by_its_exit_code_that_its_output_is_lost(
    words: list[str], stream: str, kind: str, code: int, results: Path
) -> None:
    main = analysis if words[0] == "best" else controller
    with replaced(stream, kind):
        assert main([words[0], str(results), *words[1:]]) == code


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize(("stream", "kind", "code"), BOTH)
def test_status_says_so_too(stream: str, kind: str, code: int, lab: Path) -> None:
    with replaced(stream, kind):
        assert controller(["status", "--lab", str(lab)]) == code


@pytest.mark.usefixtures("said")
@pytest.mark.parametrize("kind", ["full", "without a reader"])
def test_a_report_is_written_though_its_lines_are_lost(kind: str, results: Path, tmp_path: Path) -> None:
    with replaced("stdout", kind):
        assert analysis(["report", str(results), "--out", str(tmp_path), "--figures="]) == LOST[kind]
    assert (tmp_path / "report.html").is_file()


def test_watching_ends_with_its_reader(results: Path, tmp_path: Path) -> None:
    """There is no sweep, so that it would wait forever."""
    with replaced("stdout", "without a reader"):
        assert controller(["watch", str(tmp_path / "none.sqlite")]) == 141


# What follows needs a process: its interpreter's exit, its terminal, its shell.


def test_a_sweep_outlives_the_reader_of_its_screen_and_ctrl_c_then_ends_it_in_order(
    experiment: Path, lab: Path, bundles_folder: Path
) -> None:
    """`controller sweep 2>&1 | head -1`, and Ctrl-C."""
    write_experiment(experiment.parent, NETWORKS, trials=200, **ALONE)
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "controller", *sweep_arguments(experiment, lab, bundles_folder)]
    with subprocess.Popen(command, stdout=writer, stderr=writer) as process:
        os.close(writer)
        said = os.read(reader, 4096)
        os.close(reader)
        wait_for_trials(experiment, finished(experiment) + 2)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert b"Traceback" not in said
    assert voids(experiment) == []


def test_a_sweep_outlives_its_terminal(experiment: Path, lab: Path, bundles_folder: Path) -> None:
    """The terminal hangs up: SIGHUP, and every write fails."""
    write_experiment(experiment.parent, NETWORKS, trials=6, **ALONE)
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = sweep_arguments(experiment, lab, bundles_folder)
        os.execv(sys.executable, [sys.executable, "-m", "controller", *arguments])
    try:
        while not finished(experiment):
            os.read(terminal, 4096)
        os.close(terminal)
        _, ended = os.waitpid(pid, 0)
    finally:
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    assert finished(experiment) == 6
    assert ended == 0


@pytest.mark.parametrize(("closed", "code"), [("2>&-", 0), (">&- 2>&- <&-", 2)])
def test_a_process_whose_streams_are_closed_ends_in_order(closed: str, code: int, results: Path) -> None:
    command = f"exec {sys.executable} -m controller check {results} {closed}"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stderr == ""
