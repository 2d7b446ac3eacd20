"""What virtual_lab.yml refuses before it makes anything; tests/lab has what it makes."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("inventory", "settings", "says"),
    [
        ("virtual", ["pis=0"], "pis is a number from 1 to 99"),
        ("virtual", ["pis=many"], "pis is a number from 1 to 99"),
        ("virtual", ["state=up"], "value of state must be one of: present, absent, got: up"),
        ("namespaces", ["pis=100"], "pis is a number from 1 to 99"),
        ("local", [], "add: -i inventory/virtual, or -i inventory/namespaces"),
    ],
)
def test_bad_settings_are_named_and_make_nothing(
    inventory: str, settings: list[str], says: str, tmp_path: Path
) -> None:
    for name in ("ansible", "controller", "inventory"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "ansible.cfg", tmp_path)
    given = [word for setting in settings for word in ("-e", setting)]
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "ansible-playbook", "-i", f"inventory/{inventory}"),
            *("ansible/virtual_lab.yml", *given),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    output = " ".join((done.stdout + done.stderr).split())
    assert done.returncode != 0
    assert says in output
    assert "Traceback" not in output
    assert not (tmp_path / ".edgecut").exists()


@pytest.mark.parametrize("inventory", ["virtual", "namespaces"])
def test_the_inventory_lists_as_many_devices_as_the_lab_has(inventory: str, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "inventory", tmp_path / "inventory", symlinks=True)
    command: list[str | Path] = [
        Path(sys.executable).parent / "ansible",
        "-i",
        f"inventory/{inventory}",
        "devices",
        "--list-hosts",
    ]

    def listed() -> list[str]:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()[2:]

    assert listed() == ["pi1", "pi2", "pi3"]
    (tmp_path / ".edgecut" / inventory).mkdir(parents=True)
    (tmp_path / ".edgecut" / inventory / "number_of_pis").write_text("5\n", encoding="ascii")
    assert listed() == ["pi1", "pi2", "pi3", "pi4", "pi5"]
