"""The commands that profile, predict and plan: `profile`, `predict`, `plan`, `codecs`."""

from typing import Annotated

import typer

from controller.experiment.cells import resolve_cut
from controller.experiment.codec_assignment import choice_of
from controller.lab.inventory import load_lab
from controller.options import BundleFolder, takes
from controller.planning import commands
from controller.planning.options import PlanOptions, PredictOptions
from controller.profiling.codec_table import CODECS, show_codec_table
from controller.profiling.commands import ProfileOptions
from controller.profiling.commands import profile as run_profile
from exporter.bundle import Bundle

__all__ = ["app"]

app = typer.Typer()


@app.command()
@takes(ProfileOptions)
def profile(options: ProfileOptions) -> None:
    """Measure a model's cost on every device and link of the lab, for `plan` and `predict`."""
    run_profile(Bundle.open(options.bundle), load_lab(options.lab), options)


@app.command()
@takes(PredictOptions)
def predict(options: PredictOptions) -> None:
    """Predict one split's latency and throughput, and where its time goes."""
    commands.predict(Bundle.open(options.bundle), load_lab(options.lab), options)


@app.command()
@takes(PlanOptions)
def plan(options: PlanOptions) -> None:
    """Plan which devices to use, in which order, and where to cut; exit code 2 without a feasible plan."""
    commands.plan(Bundle.open(options.bundle), load_lab(options.lab), options)


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
