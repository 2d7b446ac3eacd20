"""Settings that do not exist, and values that no role takes, are named with what to write instead."""

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = ROOT / "ansible" / "roles"


@pytest.fixture(scope="module")
def filters(load: Callable[[Path, str], ModuleType]) -> ModuleType:
    return load(ROLES / "preflight" / "filter_plugins" / "settings.py", "settings_filters")


def mistakes(filters: ModuleType, **devices: dict[str, Any]) -> list[str]:
    found: list[str] = filters.mistakes(list(devices), devices, str(ROLES))
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
        ("zzz", 1, "unknown setting 'zzz'; variables of your own begin with my_ or vault_"),
    ],
)
def test_a_mistake_is_named(filters: ModuleType, setting: str, value: object, says: str) -> None:
    (line,) = mistakes(filters, pi={setting: value}, server={})
    assert line.startswith(f"pi: {says}")
    (line,) = mistakes(filters, pi={setting: value}, server={setting: value})
    assert line.startswith(says)


def test_every_setting_of_group_vars_and_docs_is_known(filters: ModuleType) -> None:
    known = filters.settings(ROLES)
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
