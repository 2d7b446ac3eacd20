"""The command on a results file: `check`."""

from pathlib import Path
from typing import Annotated

import typer

from controller.results.check import run_check

__all__ = ["app"]

app = typer.Typer()


@app.command()
def check(
    results: Annotated[Path, typer.Argument(help="Results file that a sweep wrote.")],
    save: Annotated[
        Path | None, typer.Option(help="Also salvage a damaged file's readable part into this new file.")
    ] = None,
) -> None:
    """Check a results file for damage and inconsistencies; exit code 1 if it has any."""
    if not run_check(results, save):
        raise typer.Exit(1)
