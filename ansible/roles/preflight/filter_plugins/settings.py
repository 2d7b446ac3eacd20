"""Filters that find unknown settings, invalid values, and names that no device may have."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from jinja2 import Undefined

Settings = Mapping[str, Mapping[str, Any]]

# Ansible's own variables, and an inventory's: passwords in a vault, and values for its own templates.
FREE_PREFIXES = ("ansible_", "inventory_", "vault_", "my_")
OF_ANSIBLE = {"group_names", "groups", "omit", "playbook_dir"}
# What Ansible makes of the rest of a value with a space that is not in quotes, as in -e results=my results.
WITHOUT_A_NAME = "_raw_params"

# The name of the controller among the ends of a lab's connections, and of the folder of logs, which is beside
# those of the devices.
RESERVED_NAMES = ("controller", "log")
# Devices are listed with commas, links are written SENDER -> RECEIVER, and folders have their names.
DEVICE_NAME = re.compile(r"[\w.:-]+")


def settings(roles: str) -> dict[str, dict[str, Any]]:
    """All settings by name, from the argument specs of the roles; none is required everywhere."""
    known: dict[str, dict[str, Any]] = {}
    for file in sorted(Path(roles).glob("*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(file.read_text(encoding="utf-8"))["argument_specs"].values():
            for name, setting in entry["options"].items():
                known[name] = {**setting, "required": False}
    return known


def mistakes(devices: Sequence[str], hostvars: Mapping[str, Mapping[str, Any]], known: Settings) -> list[str]:
    """One line for each mistake, with the devices unless all have it."""
    validator = ArgumentSpecValidator(known)
    devices_of: dict[str, list[str]] = {}
    for device in devices:
        variables = hostvars[device]
        own = {name: variables[name] for name in known if name in variables}
        # An undefined value depends on a wrong one, which is reported itself.
        values = {name: value for name, value in own.items() if not isinstance(value, Undefined)}
        lines = [
            _unknown(name, variables[name], known)
            for name in variables
            if _is_setting(name) and name not in known
        ]
        for line in [*lines, *validator.validate(values).error_messages]:
            devices_of.setdefault(line, []).append(device)
    return [
        *_names(devices),
        *(
            line if len(those) == len(devices) else f"{', '.join(those)}: {line}"
            for line, those in devices_of.items()
        ),
    ]


def _is_setting(name: str) -> bool:
    return not name.startswith(FREE_PREFIXES) and name not in OF_ANSIBLE


def _unknown(name: str, value: object, known: Settings) -> str:
    if name == WITHOUT_A_NAME:
        example = """-e '{"results": "my results"}'"""
        return f"'{value}' has no name; give a value with spaces in quotes, as in {example}"
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"did you mean '{near[0]}'?" if near else "variables of your own begin with my_ or vault_"
    return f"unknown setting '{name}'; {advice}"


def _names(devices: Sequence[str]) -> Iterator[str]:
    """Lines for names that no device may have."""
    for device in devices:
        if device in RESERVED_NAMES:
            yield f"'{device}' is a reserved name; rename this device in the inventory"
        elif not DEVICE_NAME.fullmatch(device):
            yield f"'{device}' is no name for a device; use letters, digits, '_', '-' and '.' alone"


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by their names in playbooks."""
        return {"preflight_settings": settings, "preflight_mistakes": mistakes}
