"""`python -m analysis`, as a user types it: what it prints and how it ends."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.__main__ import main
from tests.unit.analysis.synthetic import write_sweep


def _run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "analysis", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must be refused, in this process; the one line it says."""

    def run(*arguments: object) -> str:
        assert main([str(a) for a in arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1, "one line"
        return said.err

    return run


@pytest.mark.processes
def test_it_prints_each_profiles_answer_and_where_the_report_is(results: Path, tmp_path: Path) -> None:
    run = _run("report", results, "--out", tmp_path / "a folder", "--figures", "")
    assert run.returncode == 0, run.stderr
    lines = run.stdout.splitlines()
    assert "emulated" in lines[0]
    (head,) = (number for number, line in enumerate(lines) if "do this" in line)
    networks = [line.split()[0] for line in lines[head + 2 : -1]]
    assert networks == ["lan", "lan", "wifi", "wifi", "wan", "wan"], run.stdout
    assert lines[-1] == f"report: {tmp_path / 'a folder' / 'report.html'}"
    assert run.stderr == ""


def test_an_incomplete_sweep_is_called_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 60), skip=(12,))
    assert main(["report", str(results), "--out", str(tmp_path), "--figures", ""]) == 0
    assert "incomplete: 36 trials finished, 18 missing" in capsys.readouterr().out


def test_a_folder_stands_for_the_results_file_in_it_and_gets_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep(tmp_path / "results.sqlite", cuts=(0, 12, 60))
    shutil.copytree(tmp_path, tmp_path / "other")
    assert main(["report", str(tmp_path), "--figures", ""]) == 0
    assert (tmp_path / "report.html").is_file()
    capsys.readouterr()
    assert main(["best", str(tmp_path)]) == 0
    assert "do this" in capsys.readouterr().out
    assert main(["compare", str(tmp_path), str(tmp_path / "other")]) == 0


def test_no_such_file(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "gone.sqlite: no such results file" in refused(
        "report", tmp_path / "gone.sqlite", "--out", tmp_path
    )


@pytest.mark.parametrize("content", [b"a text", b"SQLite format 3\0 but torn"])
def test_not_a_results_file(tmp_path: Path, content: bytes, refused: Callable[..., str]) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    assert "notes.txt is not a results file" in refused("report", path, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_a_database_of_something_else(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE birds (name TEXT)")
    db.close()
    assert "other.sqlite" in refused("report", path, "--out", tmp_path / "o")


def test_a_sweep_without_a_finished_trial(tmp_path: Path, refused: Callable[..., str]) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60), skip=(0, 60))
    assert "no finished trial (12 cells requested); run the sweep" in refused(
        "report", results, "--out", tmp_path / "o"
    )
    assert not (tmp_path / "o").exists()


def test_an_output_folder_that_is_a_file(tmp_path: Path, refused: Callable[..., str]) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60))
    (tmp_path / "o").write_text("mine")
    assert "name a folder you may write to with --out" in refused("report", results, "--out", tmp_path / "o")
    assert (tmp_path / "o").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (lambda r: ("export", r), "--out"),
        (lambda r: ("report", r, "--out", "o", "--figures", "gif"), "no such format 'gif'"),
        (lambda _: ("rapport",), "rapport"),
        (lambda r: ("report", r, "--out", "o", "--shiny"), "--shiny"),
    ],
)
def test_usage(
    results: Path, arguments: Callable[[Path], tuple[object, ...]], said: str, refused: Callable[..., str]
) -> None:
    assert said in refused(*arguments(results))


@pytest.mark.parametrize(
    ("asked", "said"),
    [("latency,speed", "no such objective 'speed'"), ("latency,latency", "latency is given twice")],
)
def test_objectives_that_are_none(
    results: Path, tmp_path: Path, asked: str, said: str, refused: Callable[..., str]
) -> None:
    assert said in refused("report", results, "--out", tmp_path / "o", "--objectives", asked)
    assert not (tmp_path / "o").exists()


def test_a_file_of_another_layout_is_named(tmp_path: Path, refused: Callable[..., str]) -> None:
    results = write_sweep(tmp_path / "old.sqlite", cuts=(0, 60))
    with sqlite3.connect(results) as db:
        db.execute("ALTER TABLE experiment DROP COLUMN trials")
    db.close()
    assert "old.sqlite is not a results file of edgecut (experiment is not as edgecut makes it)" in refused(
        "report", results, "--out", tmp_path / "o"
    )


@pytest.mark.parametrize("objective", ["latency", "throughput", "knee"])
def test_the_best_of_what_was_measured_is_told_beside_the_rest(
    tmp_path: Path, objective: str, capsys: pytest.CaptureFixture[str]
) -> None:
    results = str(write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 24, 60)))
    assert main(["best", results, "--objective", objective]) == 0
    said = capsys.readouterr().out
    assert said.count("<- best") == 3, "one for each network"
    assert "plain ONNX Runtime on server" in said
    assert main(["best", results, "--objective", objective, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [one["network"] for one in told] == ["lan", "wifi", "wan"]
    assert all(
        one["at"] == ("12" if one["cuts"] == [12] else "24" if one["cuts"] == [24] else None) for one in told
    )


def test_what_best_refuses(tmp_path: Path, refused: Callable[..., str]) -> None:
    """Before the results are read: this file does not exist."""
    assert "--objective speed: choose one of latency, throughput, accuracy, payload, memory, knee" in refused(
        "best", tmp_path / "absent.sqlite", "--objective", "speed"
    )
    few = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60), requests=(5, 5))
    assert "has no answer for throughput: no split has finished" in refused(
        "best", few, "--objective", "throughput"
    )


def test_without_an_objective_all_of_the_experiments_are_told_in_one_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["best", str(write_sweep(tmp_path / "r.sqlite", cuts=(0, 12, 24, 60)))]) == 0
    said = capsys.readouterr().out
    assert said.count("plain ONNX Runtime on server ") >= 3
    assert said.count("mobilenet_v2, network") == 3, "a table for each network"
    wifi = said[said.index("network wifi") : said.index("network wan")]
    assert re.search(r"^ *raw input to server <- best for latency", wifi, re.MULTILINE)
    assert re.search(r"^ *features.2 <- best for throughput", wifi, re.MULTILINE)
    leads = ("For the lowest latency", "For the highest throughput", "As a compromise, at the knee")
    assert sorted(leads, key=wifi.index) == list(leads)


def test_ctrl_c_ends_with_a_line(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("analysis.data.sweep.load", interrupted)
    assert main(["report", str(results), "--out", str(tmp_path / "o")]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was written\n"
