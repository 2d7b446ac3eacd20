"""scripts/venv, with a project of a few files in place of ours, and scripts in any locale."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[2]

PROJECT = """\
[project]
name = "tiny"
version = "1"
[project.optional-dependencies]
all = []
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

# Needs no package index.
BACKEND = """\
import os, pathlib, shutil, zipfile

METADATA = "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1\\nProvides-Extra: all\\n"

def build_editable(folder, config_settings=None, metadata_directory=None):
    shutil.copy2(os.environ["PIP_CONFIG_FILE"], "seen-settings")
    files = {
        "tiny.pth": str(pathlib.Path.cwd()),
        "tiny-1.dist-info/METADATA": METADATA,
        "tiny-1.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = "".join(f"{name},,\\n" for name in [*files, "tiny-1.dist-info/RECORD"])
    with zipfile.ZipFile(pathlib.Path(folder, "tiny-1-py3-none-any.whl"), "w") as wheel:
        for name, text in {**files, "tiny-1.dist-info/RECORD": record}.items():
            wheel.writestr(name, text)
    return "tiny-1-py3-none-any.whl"
"""


def test_packages_go_into_the_environment_whatever_pip_is_set_to(tmp_path: Path) -> None:
    repository, elsewhere = tmp_path / "a clone", tmp_path / "elsewhere"
    (repository / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "venv", repository / "scripts")
    (repository / "pyproject.toml").write_text(PROJECT)
    (repository / "backend.py").write_text(BACKEND)
    (repository / "tiny.py").touch()
    (tmp_path / "pip.conf").write_text(
        f"[install]\nuser = true\n[global]\ntarget = {elsewhere}\nextra-index-url =\n  http://a.invalid\n  http://b.invalid\n"
    )
    settings = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_NO_INDEX": "1", "PIP_USER": "1"}
    done = subprocess.run(
        [repository / "scripts" / "venv"],
        env=os.environ | settings | {"PIP_PREFIX": str(elsewhere), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = subprocess.run(
        [repository / ".venv" / "bin" / "python", "-c", "import tiny; print(tiny.__file__)"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == str(repository / "tiny.py")
    assert not elsewhere.exists()
    # The address of an index may hold a password.
    assert not (repository / ".venv" / "pip-settings").exists()
    seen = repository / "seen-settings"
    assert seen.stat().st_mode & 0o777 == 0o600
    assert "http://a.invalid\n\thttp://b.invalid" in seen.read_text()


def test_a_python_without_sqlite_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "venv", tmp_path / "scripts")
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "blind").mkdir()
    (tmp_path / "blind" / "sitecustomize.py").write_text(
        "import importlib.util\nfind = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == '_sqlite3' else find(name, *rest)\n"
    )
    done = subprocess.run(
        [tmp_path / "scripts" / "venv"],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "blind")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: python3 was built without _sqlite3: build it again with")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_YY.UTF-8", "de_DE"])
def test_ansible_runs_in_every_locale(locale: str, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for script in ("lab", "utf8"):
        shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts")
    ansible = Path(sys.executable).parent / "ansible-playbook"
    for path, text in (("scripts/venv", ":"), (".venv/bin/ansible-playbook", f'exec "{ansible}" --version')):
        (tmp_path / path).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / path).chmod(0o755)
    done = subprocess.run(
        [tmp_path / "scripts" / "lab"],
        env=os.environ | {"LC_ALL": locale},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ansible-playbook [core ")
