"""A filter that finds what only the inventory's files show.

These are values that YAML reads otherwise than people do, mistyped names of Ansible's own, of hosts and of
groups, and settings without effect.
"""

import difflib
import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import ansible.constants
import yaml
from ansible.plugins.loader import become_loader, connection_loader, shell_loader

ROOT = Path(__file__).parents[4]
OF_ANSIBLE = "ansible_"
# Shorter names are alike by chance.
NEARNESS = 0.85
NO_YAML = ("$ANSIBLE_VAULT", "#!")
# A message names such a setting, and does not repeat its value.
IN_QUOTES = "YAML does not read this value as text; write it in quotes"
SECRET = re.compile("pass|secret|token|key", re.IGNORECASE)
NUMBER = re.compile(r"\d+")


class Given(NamedTuple):
    """A key of a file, with its value.

    Attributes:
        inside: The keys around it, outermost first.
    """

    place: str
    inside: tuple[str, ...]
    name: str
    value: yaml.Node


def inventory_mistakes(
    sources: Sequence[str], known: Mapping[str, Mapping[str, Any]], groups: Mapping[str, Sequence[str]]
) -> list[str]:
    """One line for each mistake, with file and line.

    Args:
        sources: The inventory's files and folders.
        known: The settings that exist, by name, with their types.
        groups: The hosts of each group, as Ansible knows them.
    """
    lines: dict[str, None] = dict.fromkeys(misnamed(sources, groups))
    for file in files_of(sources):
        is_of_all = file.stem == "all" and file.parent.name == "group_vars" or file.parent.name == "all"
        for place, inside, name, value in given_in(file):
            if name in defaults() and (inside[-1:] == ("vars",) or (is_of_all and not inside)):
                lines[
                    f"{place}: {name} has no effect here, since edgecut's default comes after it; "
                    f"write it into group_vars/devices.yml"
                ] = None
            if name.startswith(OF_ANSIBLE) and name not in names_of_ansible():
                near = difflib.get_close_matches(name, names_of_ansible(), n=1, cutoff=NEARNESS)
                if near:
                    lines[f"{place}: unknown name '{name}'; did you mean '{near[0]}'?"] = None
            if name in known or name.startswith(OF_ANSIBLE):
                for problem in misreadings(value, known[name]["type"] if name in known else "bool"):
                    shown = IN_QUOTES if SECRET.search(name) else problem
                    lines[f"{place}: {name}: {shown}"] = None
    return list(lines)


def files_of(sources: Sequence[str]) -> list[Path]:
    """The YAML files of an inventory: its own, and those of its groups and hosts."""
    files: dict[Path, None] = {}
    for source in map(Path, sources):
        folder = source if source.is_dir() else source.parent
        of_parts = [path for part in ("group_vars", "host_vars") for path in (folder / part).rglob("*")]
        for path in [*(sorted(folder.glob("*")) if source.is_dir() else [source]), *sorted(of_parts)]:
            if path.is_file() and path.suffix in ("", ".yml", ".yaml", ".json"):
                files[path] = None
    return list(files)


def misnamed(sources: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Lines for files in group_vars/ and host_vars/ that no group or host has, but for a mistyped name.

    One with another number is of a host that is not there just now.
    """
    names = {"group_vars": list(groups), "host_vars": list(groups.get("all", ()))}
    for source in map(Path, sources):
        folder = source if source.is_dir() else source.parent
        for part, known in names.items():
            for path in sorted((folder / part).glob("*")):
                name = path.name if path.is_dir() else path.stem
                near = difflib.get_close_matches(name, known, n=1, cutoff=NEARNESS)
                if name not in known and near and numbers_in(name) == numbers_in(near[0]):
                    kind = part.removesuffix("_vars")
                    yield f"{shown(path)}: there is no {kind} '{name}'; did you mean '{near[0]}'?"


def numbers_in(name: str) -> list[int]:
    """The numbers in a name, in order."""
    return list(map(int, NUMBER.findall(name)))


def shown(path: Path) -> str:
    """A path as messages show it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def given_in(file: Path) -> Iterator[Given]:
    """Every key of a file; none of a file that is no YAML, which Ansible itself reports."""
    try:
        text = file.read_text(encoding="utf-8")
        roots = [] if text.startswith(NO_YAML) else list(yaml.compose_all(text, yaml.SafeLoader))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return
    place = shown(file)
    seen: set[int] = set()
    pending: list[tuple[tuple[str, ...], yaml.Node]] = [((), root) for root in roots]
    while pending:
        inside, node = pending.pop(0)
        # By anchors, a list may hold itself.
        if id(node) in seen or not isinstance(node, yaml.CollectionNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += [(inside, value) for value in node.value]
            continue
        for key, value in node.value:
            yield Given(f"{place}:{key.start_mark.line + 1}", inside, str(key.value), value)
            pending.append(((*inside, str(key.value)), value))


def misreadings(node: yaml.Node, kind: str) -> Iterator[str]:
    """What YAML reads otherwise than people do, in a value of this type, or inside a list or mapping."""
    if isinstance(node, yaml.ScalarNode):
        is_truth_value = node.tag.endswith(":bool")
        if is_truth_value and kind in ("str", "path"):
            yield f"{node.value} is a truth value in YAML; write '{node.value}' in quotes for text"
        # Ansible takes `yes` for true, and so do its users.
        elif not (is_truth_value and kind == "bool") and (problem := plain_yaml().misreading(node)):
            yield problem
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from misreadings(value, kind)
    elif isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from misreadings(value, kind)


@cache
def defaults() -> frozenset[str]:
    """The settings that Ansible takes from beside the playbooks, unless a group's or host's file has them."""
    text = (ROOT / "ansible" / "group_vars" / "all.yml").read_text(encoding="utf-8")
    return frozenset(yaml.safe_load(text))


@cache
def plain_yaml() -> ModuleType:
    """The rule for experiments, from this repository: Ansible's Python may have another one installed."""
    spec = importlib.util.spec_from_file_location(
        "edgecut_plain_yaml", ROOT / "controller" / "experiment" / "plain_yaml.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def names_of_ansible() -> frozenset[str]:
    """The variables by which Ansible reaches devices."""
    names = {name for names in ansible.constants.MAGIC_VARIABLE_MAPPING.values() for name in names}
    plugins = (
        ("connection", connection_loader, ("ssh", "local")),
        ("become", become_loader, ("sudo", "su")),
        ("shell", shell_loader, ("sh",)),
    )
    for kind, loader, of_kind in plugins:
        for plugin in of_kind:
            # Ansible knows the options of a plugin once it is loaded.
            loader.get(plugin, class_only=True)
            names |= set(ansible.constants.config.get_plugin_vars(kind, plugin))
    return frozenset(names | {"ansible_python_interpreter"})


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by their names in playbooks."""
        return {"inventory_mistakes": inventory_mistakes}
