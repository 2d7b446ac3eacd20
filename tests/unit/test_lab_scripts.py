"""scripts/lab and scripts/lab-down: which inventory they use, and what they pass on."""

import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]


@pytest.fixture(name="repository")
def fixture_repository(tmp_path: Path) -> Path:
    """The scripts, in a repository whose ansible-playbook prints its arguments."""
    for script, text in (
        ("scripts/venv", "#!/bin/sh\n"),
        (".venv/bin/ansible-playbook", '#!/bin/sh\necho "$*"\n'),
    ):
        path = tmp_path / script
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    for script in ("lab", "lab-down", "utf8"):
        shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "plays"),
    [
        ("lab", "-i inventory/virtual ansible/virtual_lab.yml"),
        ("lab -e pis=5", "-i inventory/virtual ansible/virtual_lab.yml -e pis=5"),
        ("lab -e kind=namespaces -e pis=6", "-i inventory/namespaces ansible/virtual_lab.yml -e pis=6"),
        ("lab -e pis=6 -e kind=namespaces", "-i inventory/namespaces ansible/virtual_lab.yml -e pis=6"),
        ("lab -v -e kind=virtual", "-i inventory/virtual ansible/virtual_lab.yml -v"),
        ("lab-down", "-i inventory/virtual ansible/virtual_lab.yml -e state=absent"),
        ("lab-down -e kind=namespaces", "-i inventory/namespaces ansible/virtual_lab.yml -e state=absent"),
    ],
)
def test_the_kind_of_lab_is_its_inventory(repository: Path, command: str, plays: str) -> None:
    script, *settings = command.split()
    done = subprocess.run(
        [f"scripts/{script}", *settings], cwd=repository, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == plays


def test_another_kind_is_refused_in_one_line(repository: Path) -> None:
    done = subprocess.run(
        ["scripts/lab", "-e", "kind=pis"], cwd=repository, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (2, "error: kind=pis: kind is virtual or namespaces\n")
