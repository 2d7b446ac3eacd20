"""A deployed lab of two devices, and an experiment for it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.playbooks.local_lab import EXPERIMENT, TINY_MODEL, LocalLab, assert_succeeds


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalLab]:
    """Two devices, deployed."""
    lab = LocalLab(tmp_path_factory.mktemp("a lab"))
    try:
        assert_succeeds(lab.play("deploy.yml"))
        yield lab
    finally:
        lab.kill()


@pytest.fixture(scope="module")
def experiment(lab: LocalLab) -> Path:
    """A bundle of a tiny model, and an experiment in ansible/experiments/."""
    (lab.root / "tiny.py").write_text(TINY_MODEL, encoding="utf-8")
    export = [sys.executable, "-m", "exporter", "export", "tiny.py:build", "--out", "ansible/bundles/tiny"]
    subprocess.run(export, cwd=lab.root, check=True, capture_output=True)
    path = lab.root / "ansible" / "experiments" / "tiny.yml"
    path.write_text(EXPERIMENT, encoding="utf-8")
    return path
