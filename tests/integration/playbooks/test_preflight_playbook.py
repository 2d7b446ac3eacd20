"""What `deploy.yml` refuses before it changes anything, with the real ansible-playbook."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.playbooks.local_lab import LocalLab, assert_fails_saying

SLIPS = """\
devices:
  hosts:
    pi: {slow_down: 18, thread: 2, slowdown: 010}
    controller: {thread: 2, ansible_hots: 10.0.0.2}
"""

NAMED = """\
devices:
  hosts:
    pi: {cpu: 0, ansible_python_interpreter: PYTHON}
    server: {host: box-in-the-cellar}
"""

KNOWN_HERE = """\
import socket
resolve = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    return resolve("127.0.0.1" if host == "box-in-the-cellar" else host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LocalLab]:
    """A lab that is not deployed."""
    lab = LocalLab(tmp_path / "a lab")
    yield lab
    # Those of a deployment that was not refused.
    lab.kill()


def test_slips_in_an_inventory_are_named_once_and_nothing_is_changed(lab: LocalLab) -> None:
    (lab.root / "inventory" / "local" / "hosts.yml").write_text(SLIPS, encoding="utf-8")
    done = lab.play("deploy.yml", within=".")
    assert_fails_saying(
        done,
        "Nothing was changed. Wrong settings: 'controller' is a reserved name; rename this device",
        "pi: unknown setting 'slow_down'; did you mean 'slowdown'? unknown setting 'thread'; did you mean",
        "inventory/local/hosts.yml:3: slowdown: 010 means 8 in YAML",
        "inventory/local/hosts.yml:4: unknown name 'ansible_hots'; did you mean 'ansible_host'?",
    )
    assert done.stdout.count("fatal: ") == 1
    assert not lab.state.exists()


def test_a_name_that_only_the_controller_can_resolve_is_told_before_anything_is_changed(
    lab: LocalLab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_controller = tmp_path / "of controller"
    of_controller.mkdir()
    (of_controller / "sitecustomize.py").write_text(KNOWN_HERE, encoding="utf-8")
    of_pi = tmp_path / "python-of-pi"
    of_pi.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec "{sys.executable}" "$@"\n', encoding="utf-8")
    of_pi.chmod(0o755)
    hosts = lab.root / "inventory" / "local" / "hosts.yml"
    hosts.write_text(NAMED.replace("PYTHON", str(of_pi)), encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(of_controller))

    done = lab.play("deploy.yml")

    row = "pi names pi cannot resolve box-in-the-cellar, the put `127.0.0.1 box-in-the-cellar` into"
    assert_fails_saying(done, "Nothing was changed. What is wrong where:", row)
    assert done.stdout.count("fatal: ") == 1
    assert not lab.state.exists()
