"""Root does nothing in a tree that the worker's user may change: all roles' tasks are read, new ones too.

Ansible may log in as root, so a task counts whether or not it says `become`. What counts is where it acts:
if its arguments lead into the store or /run/edgecut it must run a command behind `worker_prefix`, as the
worker's user.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

ANSIBLE = Path(__file__).parents[3] / "ansible"
ROLES = ANSIBLE / "roles"

# Files for service managers without root: there the worker's user is the one who logs in.
WITHOUT_ROOT = {"process.yml", "process_absent.yml", "systemd_user.yml", "systemd_user_absent.yml"}

PREFIX = re.compile(r"\{\{\s*worker_prefix\b")
LITERAL = re.compile(r"/var/lib/edgecut/store|/run/edgecut(?![-\w])")
# Neither leads into the store: the folder above it, and values chosen from others by what lies there.
HARMLESS = re.compile(r"store \| dirname|select\('in', [^)]*\)")

# They act on nothing, or stand for the tasks of a file, which are read themselves.
ACTS_NOWHERE = {
    *("debug", "fail", "assert", "set_fact", "include_tasks", "import_tasks", "include_role", "import_role"),
}
KEYWORDS = {
    *(
        "name",
        "when",
        "register",
        "vars",
        "loop",
        "loop_control",
        "changed_when",
        "failed_when",
        "check_mode",
    ),
    *("become", "tags", "no_log", "diff", "environment", "delegate_to", "run_once", "ignore_unreachable"),
    *("block", "rescue", "always"),
}


class Task(NamedTuple):
    """A task: its module, its arguments, and all that is said about it."""

    where: str
    module: str
    arguments: Any
    said: Mapping[str, Any]


def tasks_in(listed: list[dict[str, Any]], where: str) -> Iterator[Task]:
    """The tasks of a file, those in blocks too."""
    for said in listed:
        for part in ("block", "rescue", "always"):
            yield from tasks_in(said.get(part, []), where)
        if "block" not in said:
            modules = sorted(set(said) - KEYWORDS)
            assert len(modules) == 1, f"{where}: {said.get('name')}: which of {modules} is the module?"
            yield Task(f"{where}: {said.get('name')}", modules[0].rpartition(".")[2], said[modules[0]], said)


@functools.cache
def task_files() -> tuple[tuple[str, list[dict[str, Any]]], ...]:
    """All files of tasks that may run as root, and the tasks in playbooks."""
    found: list[tuple[str, list[dict[str, Any]]]] = []
    paths = [*ROLES.glob("*/tasks/**/*.yml"), *ROLES.glob("*/handlers/*.yml"), *ANSIBLE.glob("tasks/*.yml")]
    for path in sorted(paths):
        if path.name not in WITHOUT_ROOT:
            found.append((str(path.relative_to(ANSIBLE)), yaml.safe_load(path.read_text())))
    for path in sorted(ANSIBLE.glob("*.yml")):
        for play in yaml.safe_load(path.read_text()):
            if isinstance(play, dict):
                parts = ("pre_tasks", "tasks", "post_tasks", "handlers")
                found += [(path.name, play[part]) for part in parts if part in play]
    return tuple(found)


@functools.cache
def definitions() -> dict[str, Any]:
    """The variables of the roles and of all devices."""
    found: dict[str, Any] = {}
    for path in (
        ANSIBLE / "group_vars/all.yml",
        *ROLES.glob("*/vars/*.yml"),
        *ROLES.glob("*/defaults/*.yml"),
    ):
        found |= yaml.safe_load(path.read_text())
    return found


def variables_in(listed: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The variables that tasks and blocks define, and the results that they register."""
    for said in listed:
        yield from said.get("vars", {}).items()
        if "loop" in said and any(key.rpartition(".")[2].startswith("include") for key in said):
            yield said.get("loop_control", {}).get("loop_var", "item"), said["loop"]
        for key, value in said.items():
            if key.rpartition(".")[2] == "set_fact":
                yield from value.items()
        if "register" in said:
            body = {
                key: value for key, value in said.items() if key not in KEYWORDS or key in ("loop", "vars")
            }
            yield said["register"], body
        for part in ("block", "rescue", "always"):
            yield from variables_in(said.get(part, []))


def leads_there(value: Any, names: frozenset[str]) -> bool:
    """Whether a value names a path below one of the worker's folders, by a variable or by itself."""
    text = HARMLESS.sub("", yaml.safe_dump(value, width=10_000).replace("''", "'"))
    inside = " ".join(re.findall(r"\{[{%].*?[%}]\}", text, re.DOTALL))
    words = set(re.findall(r"(?<!['\w-])[a-z_]\w*(?!['\w])", inside))
    return bool(LITERAL.search(text) or words & names)


@functools.cache
def known_names() -> frozenset[str]:
    """The repository's variables whose values lead into the store."""
    local = [pair for _, listed in task_files() for pair in variables_in(listed)]
    return names_that_lead_there([*definitions().items(), *local], frozenset({"store"}))


def names_that_lead_there(variables: list[tuple[str, Any]], names: frozenset[str]) -> frozenset[str]:
    """Add the variables whose values lead into the store, through each other too."""
    while new := {name for name, value in variables if name not in names and leads_there(value, names)}:
        names |= new
    return names


def is_allowed(task: Task) -> bool:
    """Whether a task that leads into the store runs as the worker's user, or acts on the folder alone."""
    arguments = task.arguments
    if not isinstance(arguments, dict):
        return False
    command = arguments.get("command", arguments.get("argv"))
    while isinstance(command, str) and (alone := re.fullmatch(r"\{\{ (\w+) \}\}", command)):
        command = definitions().get(alone[1])
    return (
        (isinstance(command, str) and PREFIX.match(command) is not None)
        or arguments.get("worker_prefix") == "{{ worker_prefix }}"
        or (task.module == "stat" and arguments == {"path": "{{ store }}"})
        or (task.module == "edgecut" and arguments == {"command": ["rmdir", "{{ store }}"]})
        or (
            task.module == "file"
            and (arguments["path"], arguments["state"]) == ("{{ store }}", "directory")
            and arguments.get("follow") is False
        )
    )


def offences(files: Sequence[tuple[str, list[dict[str, Any]]]]) -> list[str]:
    """The tasks by which root would act in the worker's folders."""
    local = [pair for _, listed in files for pair in variables_in(listed)]
    names = names_that_lead_there(local, known_names())
    found = []
    for where, listed in files:
        for task in tasks_in(listed, where):
            acts = task.module not in ACTS_NOWHERE
            if acts and leads_there([task.arguments, task.said.get("loop")], names) and not is_allowed(task):
                found.append(task.where)
    return found


def test_root_does_nothing_in_the_workers_folders() -> None:
    assert len(task_files()) > 30
    assert offences(task_files()) == []


def test_the_tasks_that_act_in_the_store_are_seen() -> None:
    """Without the prefix each would be refused: the search finds what it is for."""
    acting = {
        task.where
        for where, listed in task_files()
        for task in tasks_in(listed, where)
        if PREFIX.search(str(task.arguments)) or "bundles_check" in str(task.arguments)
    }
    assert "bundles_check" in known_names()
    assert len(acting) >= 6, acting


@pytest.mark.parametrize(
    "bad",
    [
        "{find: {paths: '{{ store }}/bundles'}}",
        "{file: {path: '{{ store }}', state: absent}}",
        "{file: {path: '{{ store }}', state: directory, owner: edgecut}}",
        "{file: {path: '{{ item }}', state: absent}, loop: ['{{ device_dir }}', '{{ store }}']}",
        "{file: {path: '{{ store | dirname }}/{{ store | basename }}/x', state: touch}}",
        "{copy: {dest: '{{ store }}/bundles/{{ bundle.digest }}/weights.bin', content: x}}",
        "{copy: {dest: /var/lib/edgecut/store/x, content: x}}",
        "{file: {path: /run/edgecut/heartbeat, state: absent}}",
        "{command: {argv: [chown, -R, edgecut, '{{ store }}']}}",
        "{command: {argv: '{{ bundles_check[1:] }}'}}",
        "{command: 'rm -r {{ store }}/bundles'}",
        "{shell: 'rm -r /var/lib/edgecut/store/bundles'}",
        "{shell: '{% if true %}rm -r {{ store }}{% endif %}'}",
        '{edgecut: {command: \'{{ [device_python, "-m", "worker", "check", "--store", store] }}\'}}',
        "{edgecut: {command: '{{ [\"rm\", store] + worker_prefix }}'}}",
        "{edgecut: {command: [rm, '{{ worker_prefix }}', '{{ store }}']}}",
        "{edgecut: {command: '{{ bundles_here }}'}, vars: {bundles_here: '{{ [\"ls\", store] }}'}}",
        "{block: [{slurp: {src: '{{ bundles_here }}/x'}}], vars: {bundles_here: '{{ store }}/bundles'}}",
        "{block: [{set_fact: {here: '{{ store }}'}}, {file: {path: '{{ here }}/x', state: absent}}]}",
        "{block: [{edgecut: {command: '{{ worker_prefix + [\"ls\", store] }}'}, register: listed},"
        " {file: {path: '{{ item }}', state: absent}, loop: '{{ listed.stdout_lines }}'}]}",
        "{template: {src: x.j2, dest: '{{ bundles_folder }}/x'}}",
    ],
)
def test_a_task_by_which_root_acts_there_is_refused(bad: str) -> None:
    assert offences([("bad", [yaml.safe_load(bad)])]) == ["bad: None"]
