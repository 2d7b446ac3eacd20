"""The pages give only commands and options that exist, and the README gives every command."""

import argparse
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
import typer
import typer.main

import analysis.__main__ as analysis_cli
import controller.__main__ as controller_cli
import exporter.cli as exporter_cli
import worker.__main__ as worker_cli
from edgecut.cli.loading import load
from edgecut.cli.table import COMMANDS as FRONT
from edgecut.cli.table import GROUPS
from tests.pages import PAGES, ROOT, blocks_of, code_of, name_of

Options = Mapping[str, set[str]]


def _of_typer(app: typer.Typer) -> Options:
    commands = typer.main.get_group(app).commands
    return {
        name: {option for parameter in command.params for option in parameter.opts}
        for name, command in commands.items()
    }


def _of_argparse(parser: argparse.ArgumentParser) -> Options:
    (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return {
        name: {option for action in each._actions for option in action.option_strings}
        for name, each in commands.choices.items()
    }


COMMANDS: Final[Mapping[str, Options]] = {
    "exporter": _of_typer(exporter_cli.app),
    "worker": _of_argparse(worker_cli._parser()),
    "controller": _of_typer(controller_cli.app),
    "analysis": _of_typer(analysis_cli.app),
}
"""By package and command, the options that it takes."""


def _of_front() -> Options:
    return {
        name: {option for parameter in load(command)[1].params for option in parameter.opts}
        for name, command in FRONT.items()
    }


EDGECUT: Final = _of_front()
"""The same of `edgecut`."""

# Without `python -m` in front, `worker` is a word like others: `worker pi was lost`.
_GIVEN: Final = re.compile(
    r"(?:python -m |^(?!worker))(exporter|worker|controller|analysis) ([a-z][a-z-]*)([^#]*)"
)
_GIVEN_EDGECUT: Final = re.compile(r"(?:^|\s|/)edgecut ((?:lab )?[a-z][a-z-]*)([^#]*)")
_OPTION: Final = re.compile(r"(?<!\S)(--[a-z][a-z0-9-]*|-[a-zA-Z])(?![\w-])")
# Of ansible-playbook, and of every command.
_OF_OTHERS: Final = {"--check", "--diff", "--tags", "--help"}
_FROM_OTHER_TESTBEDS: Final = "## From other testbeds"


def given_in(page: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Package, command and options of each command line."""
    for code in code_of(page):
        for package, command, rest in _GIVEN.findall(code):
            yield package, command, set(_OPTION.findall(rest))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_can_be_typed(page: Path) -> None:
    for package, command, options in given_in(page):
        assert command in COMMANDS[package], f"{package} {command}"
        assert options - COMMANDS[package][command] == set(), f"{package} {command}"


def edgecut_in(page: Path) -> Iterator[tuple[str, set[str]]]:
    """Command and options of each command line of `edgecut`."""
    for code in code_of(page):
        for command, rest in _GIVEN_EDGECUT.findall(code):
            yield command, set(_OPTION.findall(rest))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_line_of_edgecut_can_be_typed(page: Path) -> None:
    for command, options in edgecut_in(page):
        assert command in EDGECUT, command
        assert options - EDGECUT[command] - {"--help"} == set(), command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_block_that_uses_edgecut_can_be_pasted(page: Path) -> None:
    for block in blocks_of(page):
        if re.search(r"^edgecut ", block, flags=re.MULTILINE):
            assert block.startswith(". .venv/bin/activate\n"), block


def test_the_readme_gives_every_command_of_edgecut() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| `edgecut` | commands |\n| --- | --- |\n")[2].partition("\n\n")[0]
    rows = [row.strip("| ").partition(" | ") for row in table.splitlines()]
    given = {group: re.findall(r"`([^`]+)`", commands) for group, _, commands in rows}
    assert given == {group: [each.name for each in commands] for group, commands in GROUPS.items()}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_is_one_of_ours(page: Path) -> None:
    everything = [*COMMANDS.values(), EDGECUT]
    ours = {option for commands in everything for options in commands.values() for option in options}
    text = page.read_text(encoding="utf-8").partition(_FROM_OTHER_TESTBEDS)[0]
    named = set(re.findall(r"`(--[a-z][a-z0-9-]*)(?![\w=-])", text))
    assert named - ours - _OF_OTHERS == set()


def test_the_options_of_a_plan_are_its_own() -> None:
    text = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")
    table = text.partition("| option of `plan` | meaning |\n")[2].partition("\n\n")[0]
    named = {name for row in table.splitlines() for name in re.findall(r"`(--[a-z-]+)", row.split("|")[1])}
    assert len(named) > 10
    assert named - COMMANDS["controller"]["plan"] == set()


@pytest.mark.parametrize("package", list(COMMANDS))
def test_the_readme_gives_every_command(package: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    row = re.search(rf"^\| `{package}` \| `python -m {package} ([^`]+)` \|", text, flags=re.MULTILINE)
    assert row is not None
    assert set(row[1].split(r"\|")) == set(COMMANDS[package])
