"""Commands that playbooks recommend: each can be pasted, whatever its paths hold."""

import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def commands(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(ROOT / "ansible" / "filter_plugins" / "commands.py", "edgecut_commands")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is activated."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))


@pytest.mark.parametrize("results", ["/data/my results/demo", "/it's", '/a "b"', "/größe", "/$HOME/*"])
def test_a_playbooks_settings_pass_shell_and_ansible_as_they_are(
    commands: ModuleType, found: None, results: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(commands.playbook_command({"results": results}, "report", ["inventory/my lab"]))
    program, *options, playbook, extra, settings = words
    assert (program, options) == ("ansible-playbook", ["-i", "inventory/my lab"])
    assert (playbook, extra) == ("ansible/report.yml", "-e")
    assert json.loads(settings) == {"results": results}


def test_paths_lead_from_where_the_user_stands(
    commands: ModuleType, found: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "ansible")
    assert commands.playbook_command({}, "report") == "ansible-playbook report.yml"
    monkeypatch.chdir(ROOT / "docs")
    assert commands.playbook_command({}, "report") == "ansible-playbook ../ansible/report.yml"
    monkeypatch.chdir(tmp_path)
    assert commands.playbook_command({}, "report") == f"ansible-playbook {ROOT}/ansible/report.yml"


def test_without_the_environment_programs_have_their_paths(
    commands: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    command = commands.edgecut_command(["selfcheck", "--lab", Path("/a lab/x.json")])
    program = str(Path(sys.executable).parent / "edgecut")
    assert shlex.split(command) == [program, "selfcheck", "--lab", "/a lab/x.json"]


def test_the_same_command_of_edgecut_is_not_the_playbooks(
    commands: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECUT_TYPED", "edgecut sweep 'my lab.yml'")
    assert commands.same_command("sweep") == "edgecut sweep 'my lab.yml'"


def test_the_same_command_is_the_users_own(
    commands: ModuleType, found: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/bin/ansible-playbook", "sweep.yml", "-e", '{"results": "a b"}'])
    assert commands.same_command("sweep") == """ansible-playbook sweep.yml -e '{"results": "a b"}'"""
