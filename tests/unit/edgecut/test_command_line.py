"""The command `edgecut`: its overview, its commands, what it says of mistakes, completion."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from edgecut.cli.main import COMPLETE, main
from edgecut.cli.table import COMMANDS

FIRST_WORDS = list(dict.fromkeys(name.partition(" ")[0] for name in COMMANDS))


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `edgecut` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "edgecut", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | variables,
    )


@pytest.mark.parametrize("given", [(), ("--help",), ("-h",)])
def test_the_overview_fits_a_screen(given: Sequence[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 80
    for word in FIRST_WORDS:
        assert any(line.startswith(f"  {word} ") for line in lines), word


def test_commands_of_two_words_have_an_overview(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lab"]) == 0
    out = capsys.readouterr().out
    for name in COMMANDS:
        if name.startswith("lab "):
            assert f"  {name.removeprefix('lab ')} " in out


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_explains_itself_under_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*name.split(), "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: edgecut {name} ")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["reprot"], "error: no command 'reprot'; did you mean 'report'?"),
        (["lab", "chekc"], "error: no command 'lab chekc'; did you mean 'lab check'?"),
        (["status"], "error: no command 'status'; did you mean 'lab status'?"),
        (["xyzzy"], "error: no command 'xyzzy'; see edgecut --help"),
        (["lab", "xyzzy"], "error: no command 'lab xyzzy'; see edgecut lab --help"),
        (["report", "r.sqlite", "--otu", "x"], "error: no option --otu; did you mean --out?"),
        (["sweep", "x", "--time-bugdet=1m"], "error: no option --time-bugdet; did you mean --time-budget?"),
        (["models", "--sjon"], "error: no option --sjon; did you mean --json?\n"),
        (["report"], "error: Missing argument 'RESULTS'."),
        (["lab", "status", "-i"], "error: -i: name an inventory, as in -i inventory/mylab"),
        (["lab", "status", "--inventory=inventory/nope"], "error: no inventory inventory/nope; `edgecut lab"),
        (["lab", "status", "-iinventory/nope"], "error: no inventory inventory/nope; `edgecut lab"),
        (["lab", "status", "-i=inventory/nope"], "error: no inventory inventory/nope; `edgecut lab"),
        (["lab", "status", "-i="], "error: -i=: name an inventory, as in -i inventory/mylab"),
        (["lab", "status", "-i", "mylab", "--lab=x.json"], "error: -i mylab and --lab both name a lab; give"),
        (["deploy", "-i", "inventory/nope"], "error: no inventory inventory/nope; `edgecut lab"),
        (["best", "nowhere.sqlite"], "error: nowhere.sqlite: no such results file"),
        (["cuts", "nowhere"], "error: nowhere"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(given: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(given) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(says)
    assert shown.err.count("\n") == 1


@pytest.mark.processes
def test_the_overview_loads_nothing_heavy() -> None:
    banned = "analysis controller exporter numpy onnx onnxruntime pandas torch typer yaml"
    code = (
        "import sys; from edgecut.cli.main import main; main(['--help']); "
        f"print(*sorted(set({banned.split()!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""


@pytest.mark.processes
@pytest.mark.parametrize(
    ("absent", "command", "extra"),
    [
        ("typer", ["report", "x"], "analysis"),
        ("typer", ["deploy"], "controller,analysis,ansible"),
        ("pandas", ["best", "x"], "analysis"),
        ("onnx", ["cuts", "x"], "exporter"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(absent: str, command: list[str], extra: str) -> None:
    code = (
        f"import sys; sys.modules[{absent!r}] = None\n"
        f"from edgecut.cli.main import main; sys.exit(main({command!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    needs = f"edgecut {command[0]} needs {absent}, which is not installed"
    assert done.stderr == f"error: {needs}: pip install 'edgecut[{extra}]'\n"


def completions(shell: str, line: str) -> str:
    """What a shell is answered that completes the last word of a line."""
    asks = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    done = run(**(asks[shell] | {COMPLETE: f"complete_{shell}"}))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.processes
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_complete_commands_and_options(shell: str) -> None:
    script = run(**{COMPLETE: f"source_{shell}"})
    assert f"{COMPLETE}=complete_{shell}" in script.stdout
    assert "edgecut" in script.stdout
    every = completions(shell, "edgecut ")
    assert [word for word in FIRST_WORDS if word not in every] == []
    some = completions(shell, "edgecut t")
    assert "train" in some and "tables" in some and "report" not in some
    assert "status" in completions(shell, "edgecut lab s")
    options = completions(shell, "edgecut lab status --")
    assert "--inventory" in options and "--infer" in options


@pytest.mark.processes
def test_bash_takes_the_completion_script() -> None:
    script = run(**{COMPLETE: "source_bash"}).stdout
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_models_are_for_scripts_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    models = {each["model"]: each for each in json.loads(capsys.readouterr().out)}
    assert len(models) == 10 and models["mobilenet_v2"]["clean_cuts"] >= 49


def test_an_experiment_that_is_not_there_is_named_with_the_nearest_before_anything_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "experiments/dmeo.yml"]) == 2
    said = "error: no experiment experiments/dmeo.yml; did you mean 'experiments/demo.yml'?\n"
    assert capsys.readouterr().err == said
    (tmp_path / "first.yml").touch()
    assert main(["sweep", "frist.yml"]) == 2
    assert capsys.readouterr().err == "error: no experiment frist.yml; did you mean 'first.yml'?\n"
    assert main(["sweep", "x.yml"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no experiment x.yml; choose from: ")
    assert "experiments/demo.yml" in said and "deploy.yml" not in said


def test_the_local_lab_is_that_of_the_repository_wherever_the_user_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("edgecut.cli.inventory.ROOT", tmp_path / "repository")
    assert main(["lab", "status"]) == 2
    assert capsys.readouterr().err.startswith(f"error: no lab file {tmp_path}/repository/.edgecut/local.json")
    assert main(["lab", "status", "--lab", "mine.json"]) == 2
    assert capsys.readouterr().err.startswith("error: no lab file mine.json")
    monkeypatch.setenv("EDGECUT_LAB", "yours.json")
    assert main(["lab", "status"]) == 2
    assert capsys.readouterr().err.startswith("error: no lab file yours.json")


@pytest.mark.processes
def test_what_ansible_says_of_an_inventory_is_passed_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yml").write_text("devices: {hosts: {pi: {}, server: {}}}\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars" / "all.yml").write_text("lab_name: {\n")
    monkeypatch.setenv("ANSIBLE_FORCE_COLOR", "1")
    assert main(["lab", "status", "-i", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {tmp_path} cannot be read: ")
    assert "group_vars/all.yml" in said or "YAML" in said
    assert "\\x1b" not in said
    assert said.count("\n") == 1


def test_versions_are_for_people_and_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("edgecut ")
    assert main(["version", "--json"]) == 0
    assert {"edgecut", "python", "onnxruntime", "onnx", "torch", "ansible-core"} == set(
        json.loads(capsys.readouterr().out)
    )
