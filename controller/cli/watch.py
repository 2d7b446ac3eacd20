"""The command `watch` of `python -m controller`."""

from pathlib import Path
from typing import Annotated

import typer

from controller.live.command import Watched
from controller.live.command import watch as follow

__all__ = ["app"]

app = typer.Typer()


@app.command()
def watch(
    results: Annotated[
        Path | None, typer.Argument(help="Results file of the sweep. Default: that which is swept on --lab.")
    ] = None,
    lab: Annotated[
        Path, typer.Option("--lab", envvar="EDGECUT_LAB", help="Lab file, as ansible/deploy.yml writes it.")
    ] = Path(".edgecut/local.json"),
    once: Annotated[bool, typer.Option("--once", help="Say how it stands, and end.")] = False,
) -> None:
    """Follow a sweep from another terminal: what runs, how busy its stages are, the front so far."""
    follow(Watched(results, lab, once))
