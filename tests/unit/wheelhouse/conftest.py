"""The wheelhouse lives with its Ansible role and not among the packages."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a test import `wheelhouse`."""
    files = Path(__file__).parents[3] / "ansible" / "roles" / "wheels" / "files"
    monkeypatch.setattr(sys, "path", [str(files), *sys.path])
