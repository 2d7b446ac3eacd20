"""The project's own promises: what is light, what is pinned, what a wheel holds, what the scripts say."""

import importlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("module", "banned"),
    [
        ("worker", "onnx onnx_ir torch pandas typer yaml exporter controller analysis"),
        ("worker.service.server", "onnx onnx_ir torch pandas typer yaml exporter controller analysis"),
        ("worker.rpc", "onnx onnx_ir torch pandas typer yaml exporter controller analysis"),
        ("worker.__main__", "onnx onnx_ir torch pandas typer yaml exporter controller analysis"),
        ("exporter.bundle", "torch torchvision sklearn onnxscript worker controller"),
        ("controller", "torch torchvision sklearn onnxscript pandas analysis"),
        (
            "controller.__main__",
            "torch torchvision sklearn onnxscript pandas scipy.special analysis",
        ),
        ("edgecut", "torch onnx onnxruntime pandas typer yaml exporter controller analysis worker"),
        ("analysis", "torch torchvision onnx onnxruntime exporter"),
        ("edgecut", "numpy onnx onnxruntime pandas torch typer yaml analysis controller exporter worker"),
        ("edgecut.cli.main", "numpy onnx onnxruntime pandas torch typer yaml analysis controller exporter"),
    ],
)
def test_importing_a_package_leaves_heavy_ones_alone(module: str, banned: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({banned.split()!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("package", ["analysis", "controller", "edgecut", "exporter"])
def test_every_public_name_of_a_package_can_be_imported(package: str) -> None:
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_a_device_needs_four_packages() -> None:
    names = {re.split(r"[=<>~!]", line)[0] for line in PROJECT["dependencies"]}
    assert names == {"msgspec", "numpy", "onnxruntime", "psutil"}


def test_every_requirement_is_pinned_alike() -> None:
    extras = PROJECT["optional-dependencies"]
    lines = PROJECT["dependencies"] + [
        line for name, extra in extras.items() if name != "all" for line in extra
    ]
    versions: dict[str, str] = {}
    for line in lines:
        name, separator, version = line.partition("==")
        assert separator, f"{line} is not pinned"
        assert versions.setdefault(name, version) == version


@pytest.mark.processes
def test_a_wheel_holds_the_packages_with_their_data_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "a copy"
    source.mkdir()
    for name in ("edgecut", "exporter", "worker", "controller", "analysis", "tests", "ansible"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*pip, "--no-index", "--wheel-dir", tmp_path, source], check=True)

    (wheel,) = tmp_path.glob("edgecut-*.whl")
    members = set(zipfile.ZipFile(wheel).namelist())
    packages = {member.split("/")[0] for member in members if ".dist-info" not in member}
    assert packages == {"edgecut", "exporter", "worker", "controller", "analysis"}
    for package in sorted(packages):
        assert f"{package}/py.typed" in members
        assert f"{package}/__main__.py" in members
    data = [path.relative_to(ROOT).as_posix() for path in (ROOT / "analysis" / "templates").iterdir()]
    assert set(data) <= members
    (scripts,) = (member for member in members if member.endswith("entry_points.txt"))
    assert "edgecut = edgecut.cli.main:main" in zipfile.ZipFile(wheel).read(scripts).decode()


@pytest.mark.processes
def test_linters_see_every_module() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--show-files", "."],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    seen = {Path(line) for line in shown.stdout.splitlines()}
    names = ("edgecut", "exporter", "worker", "controller", "analysis", "benchmarks", "tests")
    assert {path for name in names for path in (ROOT / name).rglob("*.py")} - seen == set()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ("exit 127", "install Python 3.11 or newer (Debian, Ubuntu: apt install python3 python3-venv)"),
        (
            'case "$*" in --version) echo Python 3.9.2 ;; *version_info*) exit 1 ;; esac',
            "Python 3.9.2 is too old: install Python 3.11 or newer",
        ),
        (
            'case "$*" in *ensurepip*) exit 1 ;; *hashlib*) echo 0 ;; esac',
            "install its venv (Debian, Ubuntu: apt install python3-venv)",
        ),
    ],
)
def test_an_unfit_python_is_one_line(tmp_path: Path, answers: str, says: str) -> None:
    project = tmp_path / "a project"
    (project / "scripts").mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "venv", project / "scripts")
    shutil.copy(ROOT / "pyproject.toml", project)
    python = tmp_path / "python3"
    python.write_text(f"#!/bin/sh\n{answers}\n", encoding="utf-8")
    python.chmod(0o755)

    done = subprocess.run(
        [project / "scripts" / "venv"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHON": str(python)},
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert says in done.stderr
    assert not (project / ".venv").exists()


@pytest.mark.processes
def test_an_environment_that_is_a_link_is_left_alone(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    (project / "scripts").mkdir(parents=True)
    (elsewhere / "bin").mkdir(parents=True)
    (elsewhere / "bin" / "tool").touch()
    shutil.copy(ROOT / "scripts" / "venv", project / "scripts")
    shutil.copy(ROOT / "pyproject.toml", project)
    (project / ".venv").symlink_to(elsewhere)

    done = subprocess.run([project / "scripts" / "venv"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: .venv is a link to {elsewhere}, ")
    assert (elsewhere / "bin" / "tool").exists()


@pytest.mark.processes
def test_skips_fail_where_ci_is_set(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    for number, skip in enumerate(("pytest.skip('why')", "pytest.importorskip('no_such_module')")):
        inside, whole = tmp_path / f"test_inside_{number}.py", tmp_path / f"test_whole_{number}.py"
        inside.write_text(f"import pytest\ndef test_it():\n    {skip}\n", encoding="utf-8")
        skip_file = skip.replace("why'", "why', allow_module_level=True")
        whole.write_text(f"import pytest\n{skip_file}\ndef test_it():\n    pass\n", encoding="utf-8")
    command: list[str | Path] = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path]
    command.append("--continue-on-collection-errors")

    elsewhere = {name: value for name, value in os.environ.items() if name != "CI"}
    skipped = subprocess.run(command, capture_output=True, text=True, check=False, env=elsewhere)
    assert "4 skipped" in skipped.stdout
    in_ci = subprocess.run(
        command, capture_output=True, text=True, check=False, env=elsewhere | {"CI": "true"}
    )
    assert in_ci.returncode != 0
    for number in range(2):
        for item in (f"test_inside_{number}.py::test_it", f"test_whole_{number}.py"):
            assert f"{item}: skipped, which CI does not allow" in in_ci.stdout
