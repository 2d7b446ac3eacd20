"""Settings that do not exist, and values that no role takes, are named with what to write instead."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from worker.wire.security import CONTROLLER

ROOT = Path(__file__).parents[3]
ROLES = ROOT / "ansible" / "roles"


@pytest.fixture(scope="module")
def filters(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(ROLES / "preflight" / "filter_plugins" / "settings.py", "settings_filters")


@pytest.fixture(scope="module")
def files(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(ROLES / "preflight" / "filter_plugins" / "inventory_files.py", "inventory_files_filter")


def mistakes(filters: ModuleType, **devices: dict[str, Any]) -> list[str]:
    found: list[str] = filters.mistakes(list(devices), devices, filters.settings(str(ROLES)))
    return found


def test_good_settings_and_an_inventorys_own_variables_pass(filters: ModuleType) -> None:
    ours = {"slowdown": "18", "cpu": 0, "kind": "local", "memory_limit": "2G", "new_key": "true"}
    theirs = {"ansible_host": "10.0.0.1", "vault_password": "x", "my_rack": 3, "inventory_hostname": "pi"}
    assert mistakes(filters, pi={**ours, **theirs, "groups": {}}, server={}) == []


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        (
            "service_manager",
            "docker",
            "value of service_manager must be one of: process, systemd, systemd_user",
        ),
        ("kind", "pi", "value of kind must be one of: local, namespace, virtual, real, got: pi"),
        ("shaping", "wifi", "value of shaping must be one of: tc, emulated, none, got: wifi"),
        ("provider", "tpu", "value of provider must be one of: cpu, cuda, got: tpu"),
        ("security", "none", "value of security must be one of: key, tls, got: none"),
        (
            "extras",
            ["codec"],
            "value of extras must be one or more of: codecs, torch_rpc. Got no match for: codec",
        ),
        ("threads", "two", "argument 'threads' is of type"),
        ("slowdwon", 2, "unknown setting 'slowdwon'; did you mean 'slowdown'?"),
        ("time_bugdet", "20m", "unknown setting 'time_bugdet'; did you mean 'time_budget'?"),
        ("slow_down", 18, "unknown setting 'slow_down'; did you mean 'slowdown'?"),
        ("thread", 2, "unknown setting 'thread'; did you mean 'threads'?"),
        (
            "_raw_params",
            "lab/demo",
            "'lab/demo' has no name; give a value with spaces in quotes, as in -e '{",
        ),
        ("zzz", 1, "unknown setting 'zzz'; variables of your own begin with my_ or vault_"),
    ],
)
def test_a_mistake_is_named(filters: ModuleType, setting: str, value: object, says: str) -> None:
    (line,) = mistakes(filters, pi={setting: value}, server={})
    assert line.startswith(f"pi: {says}")
    (line,) = mistakes(filters, pi={setting: value}, server={setting: value})
    assert line.startswith(says)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("controller", "'controller' is a reserved name; rename this device in the inventory"),
        ("log", "'log' is a reserved name; rename this device in the inventory"),
        ("a b", "'a b' is no name for a device"),
        ("pi,server", "'pi,server' is no name for a device"),
        ("../pi", "'../pi' is no name for a device"),
    ],
)
def test_a_name_that_no_device_may_have_is_refused(filters: ModuleType, name: str, says: str) -> None:
    (line,) = mistakes(filters, **{name: {}, "pi-2.lab": {}, "10.0.0.2": {}})
    assert line.startswith(says)


def test_the_controllers_name_is_reserved(filters: ModuleType) -> None:
    assert CONTROLLER in filters.RESERVED_NAMES


HOSTS = """\
devices:
  hosts:
    pi: {slowdown: 010, cpu: 0, wheels_online: yes, ansible_become: yes}
    server:
      ansible_hots: 10.0.0.2
      onnxruntime_options: {a: 1_0}
      my_own: 010
      ansible_ssh_common_args: -o X=1
"""


def test_what_ansible_reads_otherwise_is_named_by_file_and_line(
    filters: ModuleType, files: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab" / "host_vars").mkdir(parents=True)
    (tmp_path / "lab" / "hosts.yml").write_text(HOSTS)
    (tmp_path / "lab" / "host_vars" / "pi.yml").write_text(
        "store: '010'\nmemory_limit: on\nlab_name: 2026-01-31\n"
    )
    (tmp_path / "lab" / "pis.py").write_text("#!/usr/bin/env python3\n")
    (tmp_path / "lab" / "host_vars" / "vault.yml").write_text("$ANSIBLE_VAULT;1.1;AES256\n3132\n")
    monkeypatch.chdir(tmp_path)
    known = filters.settings(str(ROLES))
    lines = files.inventory_mistakes([str(tmp_path / "lab")], known, {})
    in_decimals = "write the number in decimal digits alone"
    assert lines == [
        f"lab/hosts.yml:3: slowdown: 010 means 8 in YAML; {in_decimals}, or '010' in quotes for text",
        "lab/hosts.yml:5: unknown name 'ansible_hots'; did you mean 'ansible_host'?",
        f"lab/hosts.yml:6: onnxruntime_options: 1_0 means 10 in YAML; {in_decimals}, or '1_0' in quotes for "
        "text",
        "lab/host_vars/pi.yml:2: memory_limit: on is a truth value in YAML; write 'on' in quotes for text",
        "lab/host_vars/pi.yml:3: lab_name: 2026-01-31 is a date in YAML; write '2026-01-31' in quotes for "
        "text",
    ]
    # The same of its file alone: what lies beside it belongs to it.
    assert files.inventory_mistakes([str(tmp_path / "lab" / "hosts.yml")], known, {}) == lines


@pytest.mark.parametrize(
    "name", ["ansible_become_password", "ansible_ssh_pass", "ansible_ssh_private_key_passphrase"]
)
def test_a_misread_password_is_named_and_not_repeated(
    filters: ModuleType, files: ModuleType, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yml").write_text(f"devices:\n  vars:\n    {name}: 0451\n")
    monkeypatch.chdir(tmp_path)
    assert files.inventory_mistakes([str(tmp_path / "hosts.yml")], filters.settings(str(ROLES)), {}) == [
        f"hosts.yml:3: {name}: YAML does not read this value as text; write it in quotes"
    ]


def test_a_setting_that_a_default_overrides_is_named(
    filters: ModuleType, files: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "hosts.yml").write_text("devices:\n  hosts: {pi: {threads: 2}}\n  vars:\n    threads: 4\n")
    (tmp_path / "group_vars" / "all.yml").write_text("lab_name: x\nsecurity: tls\n")
    (tmp_path / "group_vars" / "devices.yml").write_text("shaping: none\n")
    monkeypatch.chdir(tmp_path)
    of_each = (
        "has no effect here, since edgecut's default comes after it; write it into group_vars/devices.yml"
    )
    assert files.inventory_mistakes([str(tmp_path)], filters.settings(str(ROLES)), {}) == [
        f"hosts.yml:4: threads {of_each}",
        f"group_vars/all.yml:2: security {of_each}",
    ]


def test_a_file_of_a_mistyped_host_or_group_is_named(
    files: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hosts.yml").write_text("devices:\n  hosts: {pi1: , pi2: , server: }\n")
    for name in ("host_vars/pi01.yml", "host_vars/pi3.yml", "host_vars/laptop.yml", "group_vars/device.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("threads: 2\n")
    (tmp_path / "host_vars" / "sever").mkdir()
    (tmp_path / "host_vars" / "server").mkdir()
    monkeypatch.chdir(tmp_path)
    hosts = ["pi1", "pi2", "server"]
    assert files.inventory_mistakes([str(tmp_path / "hosts.yml")], {}, {"all": hosts, "devices": hosts}) == [
        "group_vars/device.yml: there is no group 'device'; did you mean 'devices'?",
        "host_vars/pi01.yml: there is no host 'pi01'; did you mean 'pi1'?",
        "host_vars/sever: there is no host 'sever'; did you mean 'server'?",
    ]


@pytest.mark.parametrize("lab", sorted(path.name for path in (ROOT / "inventory").iterdir()))
def test_the_inventories_that_come_with_edgecut_pass(
    filters: ModuleType, files: ModuleType, lab: str
) -> None:
    known = filters.settings(str(ROLES))
    assert files.inventory_mistakes([str(ROOT / "inventory" / lab)], known, {}) == []


def test_every_setting_of_group_vars_and_docs_is_known(filters: ModuleType) -> None:
    known = filters.settings(str(ROLES))
    files = [ROOT / "ansible" / "group_vars" / "all.yml", *(ROOT / "inventory").glob("*/group_vars/*.yml")]
    given = {name for file in files for name in yaml.safe_load(file.read_text()) or {}}
    for page in ("setup.md", "local-lab.md"):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        given |= set(re.findall(r"-e ([a-z_]+)=", text))
    for playbook in (ROOT / "ansible").glob("*.yml"):
        given |= set(re.findall(r"-e ([a-z_]+)=", playbook.read_text(encoding="utf-8")))
    assert {name for name in given if not name.startswith("ansible_")} - set(known) == set()
    for file in ROLES.glob("*/defaults/main.yml"):
        assert set(yaml.safe_load(file.read_text())) - set(known) == set()
