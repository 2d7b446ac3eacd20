"""What a playbook's steps and errors look like in front of `edgecut`, with the real ansible-playbook."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

ROOT = Path(__file__).parents[3]

PLAYBOOK = """\
- hosts: localhost
  gather_facts: false
  tasks:
    - name: Look at both
      ansible.builtin.fail:
        msg: "{{ item }} is gone"
      when: item != 'one'
      loop: [one, two, three]
"""


def test_a_failed_loop_says_what_failed(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    variables = {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "edgecut_steps",
        "ANSIBLE_LOG_PATH": str(tmp_path / "log"),
        "EDGECUT_ENDED": str(tmp_path / "ended.json"),
    }
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", tmp_path / "play.yml"],
        env=os.environ | variables | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert json.loads((tmp_path / "ended.json").read_text())["errors"] == ["two is gone"]
