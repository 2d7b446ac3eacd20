"""The command `codecs`."""

from typing import Annotated

import typer

from controller.cli.options import BundleFolder
from controller.experiment.cells import resolve_cut
from controller.experiment.codec_assignment import choice_of
from controller.profiling.codec_table import CODECS, show_codec_table
from exporter.bundle import Bundle

__all__ = ["app"]

app = typer.Typer()


@app.command()
def codecs(
    bundle: BundleFolder,
    at: Annotated[str, typer.Option(help="Cut, as an index or a module path.")],
    codec: Annotated[str, typer.Option(help="Codecs to compare, separated by commas.")] = CODECS,
    samples: Annotated[int | None, typer.Option(min=1, help="Number of samples. Default: all.")] = None,
) -> None:
    """Compare codecs on one cut of a model, on this machine: bytes, time and accuracy."""
    opened = Bundle.open(bundle)
    cut = resolve_cut(opened, int(at) if at.isdecimal() else at, place="--at")
    names = [choice_of(name.strip(), "--codec") for name in codec.split(",")]
    show_codec_table(opened, cut, names, samples)
