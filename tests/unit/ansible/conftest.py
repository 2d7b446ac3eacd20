"""Importing what lies with Ansible roles, and undoing what Ansible does to the process then."""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

_intern = sys.intern

# Importing it replaces sys.intern for the whole process, and torch.export traces plain functions only.
import ansible.module_utils.basic  # noqa: E402

sys.intern = _intern

__all__ = ["ansible"]


@pytest.fixture(scope="session")
def load() -> Callable[[Path, str], ModuleType]:
    """Loads what lies with an Ansible role as a module, of a name that collides with nothing."""

    def load(path: Path, name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        before, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        spec.loader.exec_module(module)
        sys.dont_write_bytecode = before
        return module

    return load
