"""A dataclass as the options of a command."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer

from controller.options import Batch, takes


@dataclass(frozen=True, kw_only=True)
class Shared:
    bundle: Annotated[Path, typer.Argument(help="A bundle.")]
    batch: Batch = 1


@dataclass(frozen=True, kw_only=True)
class Options(Shared):
    at: Annotated[str, typer.Option(help="A cut.")]
    as_json: Annotated[bool, typer.Option("--json")] = False


def test_fields_are_arguments_and_options_with_their_defaults() -> None:
    app = typer.Typer(add_completion=False)
    taken: list[Options] = []

    @app.command()
    @takes(Options)
    def command(options: Options) -> None:
        """Run."""
        taken.append(options)

    app(["tiny", "--at", "2"], standalone_mode=False)
    app(["tiny", "--at", "3", "--batch", "4", "--json"], standalone_mode=False)
    assert taken == [
        Options(bundle=Path("tiny"), at="2"),
        Options(bundle=Path("tiny"), batch=4, at="3", as_json=True),
    ]
    with pytest.raises(typer.TyperException, match="at$"):
        app(["tiny"], standalone_mode=False)
    with pytest.raises(typer.TyperException, match="1$"):
        app(["tiny", "--at", "2", "--batch", "0"], standalone_mode=False)
