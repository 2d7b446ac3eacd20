"""The command `watch`."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import LAB, LabFile
from controller.live.command import WatchOptions
from controller.live.command import watch as follow

__all__ = ["app"]

app = typer.Typer()


@app.command()
def watch(
    results: Annotated[
        Path | None, typer.Argument(help="The sweep's results file. Default: that of the sweep on --lab.")
    ] = None,
    lab: LabFile = LAB,
    once: Annotated[bool, typer.Option("--once", help="Print the current state and exit.")] = False,
) -> None:
    """Follow a sweep from another terminal: its current cell, its stages' load, the front so far."""
    follow(WatchOptions(results, lab, once))
