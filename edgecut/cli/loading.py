"""Load the command of a package, and run it as its package does."""

import importlib
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand
from typer.main import get_command, get_group

from edgecut.cli.table import Command

__all__ = ["load", "run"]


def load(command: Command) -> tuple[ModuleType, TyperCommand]:
    """Import a command.

    Returns:
        The module with its `main`, and the command itself, under its name in `edgecut`.

    Raises:
        ModuleNotFoundError: Something that it needs is not installed.
    """
    module = importlib.import_module(command.package.module)
    loaded = get_group(module.app).commands[command.implemented_as]
    assert isinstance(loaded, TyperCommand)
    loaded.name = command.name.rpartition(" ")[2]
    if command.takes_inventory:
        loaded.params += _inventory_option()
    return module, loaded


def run(command: Command, arguments: Sequence[str]) -> int:
    """Run a command; returns its exit code."""
    module, loaded = load(command)
    code: int = module.main(arguments, _prepared(command, loaded), f"edgecut {command.name}")
    return code


def _prepared(command: Command, loaded: TyperCommand) -> Callable[..., Any]:
    """The command, which knows inventories, and names the option that is nearest to an unknown one."""

    def run_it(args: Sequence[str], **how: Any) -> Any:
        if command.takes_inventory:
            from edgecut.cli.inventory import with_lab_file

            args = with_lab_file(command, args)
        try:
            return loaded(args, **how)
        except typer.TyperException as error:
            near = getattr(error, "possibilities", None)
            if not near:
                raise
            option = getattr(error, "option_name", "")
            raise typer.TyperException(f"no option {option}; did you mean {near[0]}?") from error

    return run_it


def _inventory_option() -> list[Any]:
    """The option as help and completion show it; it is taken from the arguments before they are parsed."""

    def command(
        inventory: Annotated[
            str | None,
            typer.Option(
                "--inventory",
                "-i",
                metavar="DIR",
                help="The lab's inventory, in place of --lab.",
            ),
        ] = None,
    ) -> None: ...

    app = typer.Typer(add_completion=False)
    app.command()(command)
    params = get_command(app).params
    for option in params:
        option.expose_value = False
    return list(params)
