"""The command `watch`."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import LAB, LabFile
from controller.live.command import Watched
from controller.live.command import watch as follow

__all__ = ["app"]

app = typer.Typer()


@app.command()
def watch(
    results: Annotated[
        Path | None, typer.Argument(help="Results file of the sweep. Default: that of the sweep on --lab.")
    ] = None,
    lab: LabFile = LAB,
    once: Annotated[bool, typer.Option("--once", help="Print the current state and exit.")] = False,
) -> None:
    """Follow a sweep from another terminal: what runs, how busy its stages are, the front so far."""
    follow(Watched(results, lab, once))
