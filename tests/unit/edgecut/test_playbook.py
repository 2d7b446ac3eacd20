"""What `edgecut` tells of a playbook's end, and what it tells Ansible; Ansible itself is played."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from controller.results import Store
from edgecut import playbook
from edgecut.cli import playbooks
from edgecut.cli.main import main
from edgecut.playbook import Ended, Playbook, environment, last_words, run


class Played:
    """An `ansible-playbook` that ends as a test wants.

    Attributes:
        code: Its exit code.
        errors: What the callback notes.
        screen: Its standard error.
        log: What it writes into the log.
        variables: The environment that it got.
    """

    def __init__(self) -> None:
        self.code = 2
        self.errors: list[str] = []
        self.screen = ""
        self.log = "TASK [x]"
        self.variables: dict[str, str] = {}

    def wait(
        self, command: Sequence[str], variables: Mapping[str, str], *, keeps_errors: bool
    ) -> tuple[int, str]:
        self.variables = dict(variables)
        Path(variables["ANSIBLE_LOG_PATH"]).write_text(self.log)
        if self.errors:
            Path(variables["EDGECUT_ENDED"]).write_text(json.dumps({"errors": self.errors}))
        return self.code, self.screen


@pytest.fixture
def ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Played:
    """The played Ansible, in a repository of its own."""
    (tmp_path / "ansible").mkdir()
    (tmp_path / "ansible" / "deploy.yml").touch()
    played = Played()
    monkeypatch.setattr(playbook, "ROOT", tmp_path)
    monkeypatch.setattr(playbook, "wait", played.wait)
    return played


def said_at_the_end(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on standard error of `deploy`."""
    run(Playbook("deploy", "deploy"))
    return capsys.readouterr().err.splitlines()


def test_lines_of_an_error_stay_lines(ansible: Played, capsys: pytest.CaptureFixture[str]) -> None:
    ansible.errors = ["no bundle x; make it with:\nedgecut export 'a  b'", "pi:  gone"]
    *errors, details = said_at_the_end(capsys)
    assert errors == ["error: no bundle x; make it with:", "edgecut export 'a  b'", "error: pi: gone"]
    assert details.startswith("details: ")


def test_without_a_log_there_are_no_details(ansible: Played, capsys: pytest.CaptureFixture[str]) -> None:
    ansible.screen, ansible.log = "ERROR: Ansible requires the locale encoding to be UTF-8\n", ""
    assert said_at_the_end(capsys) == ["error: Ansible requires the locale encoding to be UTF-8"]
    assert list((playbook.ROOT / ".edgecut" / "log").iterdir()) == []


@pytest.mark.parametrize("code", [99, -2])
def test_ctrl_c_says_how_to_go_on(ansible: Played, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    ansible.code = code
    assert run(Playbook("deploy", "deploy")).code == 130
    interrupted, details = capsys.readouterr().err.splitlines()
    assert interrupted == "interrupted; run the same command to go on"
    assert details.startswith("details: ")


def test_the_log_is_the_users_alone(ansible: Played) -> None:
    run(Playbook("deploy", "deploy"))
    folder = playbook.ROOT / ".edgecut" / "log"
    (log,) = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_oldest_logs_go(ansible: Played) -> None:
    folder = playbook.ROOT / ".edgecut" / "log"
    folder.mkdir(parents=True)
    for number in range(150):
        (folder / f"2020-01-01-{number:06}-1-deploy.log").touch()
    run(Playbook("deploy", "deploy"))
    oldest, *_, newest = left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 100
    assert oldest == "2020-01-01-000051-1-deploy.log"
    assert not newest.startswith("2020")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (["-e", "ansible_become_password=a b"], "-e 'ansible_become_password=***'"),
        (["-eansible_ssh_pass=x"], "'-eansible_ssh_pass=***'"),
        (["-e", '{"vault_token": "x"}'], """-e '{"vault_token":***'"""),
        (["-e", "slowdown=2", "--new-key"], "-e slowdown=2 --new-key"),
    ],
)
def test_a_password_is_not_repeated(
    ansible: Played, given: list[str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["edgecut", "deploy", *given])
    run(Playbook("deploy", "deploy"))
    assert ansible.variables["EDGECUT_TYPED"] == f"edgecut deploy {shown}"


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_YY.UTF-8", "de_DE"])
def test_ansible_gets_a_locale_that_it_takes(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    assert environment()["LC_ALL"].endswith(".UTF-8")
    assert environment()["LC_ALL"] != locale


def test_a_good_locale_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C.utf8")
    assert environment()["LC_ALL"] == "C.utf8"


@pytest.mark.parametrize(
    ("screen", "says"),
    [
        ("[WARNING]: x\n[ERROR]: no  such\nfile\nOrigin: y\n\nmore", "no such file"),
        ("ERROR: Ansible requires UTF-8\n\n", "Ansible requires UTF-8"),
        ("", "ansible-playbook ended with exit code 4"),
    ],
)
def test_ansibles_last_words(screen: str, says: str) -> None:
    assert last_words(screen, 4) == says


def test_a_sweep_without_a_trial_writes_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Store.create(
        tmp_path / "results.sqlite", name="t", text="t", seed=0, trials=1, created_at="2026-01-01"
    ).close()
    monkeypatch.setattr(playbooks, "run", lambda _: Ended(2, {"sweep_results": str(tmp_path)}))
    assert main(["sweep", "experiments/demo.yml"]) == 2
    assert capsys.readouterr().err == ""
    assert [path.name for path in tmp_path.iterdir()] == ["results.sqlite"]
