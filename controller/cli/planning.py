"""The commands that profile, predict and plan: `profile`, `predict`, `plan`."""

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import (
    DEVICE_PROFILES,
    LAB,
    NETWORKS,
    AsJson,
    Batch,
    BundleFolder,
    DeviceProfiles,
    Devices,
    LabFile,
    NetworksFile,
    ProgressFile,
    Threads,
)
from controller.console import also_into
from controller.lab.inventory import load_lab
from controller.planning import commands
from controller.planning.options import PlanOptions, PredictOptions
from controller.profiling.commands import ProfileOptions
from controller.profiling.commands import profile as run_profile
from exporter.bundle import Bundle

__all__ = ["app"]

app = typer.Typer()

_ProfiledBundle = Annotated[Path, typer.Argument(help="A profiled bundle.")]
_Network = Annotated[str, typer.Option(help="Network to predict for.")]
_Codec = Annotated[str, typer.Option(help="Codec of all links; needs `profile --codecs`.")]


@app.command()
def profile(
    bundle: BundleFolder,
    lab: LabFile = LAB,
    cuts: Annotated[str, typer.Option(help="Cut points to time stages at: clean, blocks or all.")] = "clean",
    batch: Batch = 1,
    threads: Threads = None,
    budget: Annotated[float, typer.Option(min=1, help="Approximate seconds per device for its stages.")] = 40,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions: faster, less certain.")] = False,
    device_profiles: DeviceProfiles = DEVICE_PROFILES,
    progress: ProgressFile = None,
    again: Annotated[
        bool, typer.Option("--again", help="Re-measure even if a matching device profile exists.")
    ] = False,
    as_json: AsJson = False,
    codecs: Annotated[str, typer.Option(help="Codecs to measure as well, as in uint8,zfp:0.01.")] = "",
) -> None:
    """Measure a model's cost on every device and link of the lab, for `plan` and `predict`."""
    options = ProfileOptions(
        cuts, batch, threads, budget, quick, device_profiles, progress, again, as_json, codecs
    )
    run_profile(Bundle.open(bundle), load_lab(lab), options)


@app.command()
def predict(
    bundle: _ProfiledBundle,
    at: Annotated[str, typer.Option(help="Cuts, as in `run`: 23 or features.7 or 12,41.")],
    lab: LabFile = LAB,
    devices: Devices = None,
    depth: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 1,
    network: _Network = "ideal",
    networks_file: NetworksFile = NETWORKS,
    batch: Batch = 1,
    threads: Threads = None,
    codec: _Codec = "none",
    device_profiles: DeviceProfiles = DEVICE_PROFILES,
    as_json: AsJson = False,
) -> None:
    """Predict one split's latency and throughput, and where its time goes."""
    options = PredictOptions(
        network=network,
        networks_file=networks_file,
        folder=device_profiles,
        batch=batch,
        threads=threads,
        codec=codec,
        as_json=as_json,
        at=at,
        devices=devices,
        depth=depth,
    )
    commands.predict(Bundle.open(bundle), load_lab(lab), options)


@app.command()
def plan(
    bundle: _ProfiledBundle,
    lab: LabFile = LAB,
    objective: Annotated[str, typer.Option(help="One of latency, throughput, knee and pareto.")] = "latency",
    network: _Network = "ideal",
    networks_file: NetworksFile = NETWORKS,
    batch: Batch = 1,
    threads: Threads = None,
    source: Annotated[
        str | None, typer.Option(help="Device that requests start from, or any. Default: the first.")
    ] = None,
    without: Annotated[str, typer.Option(help="Devices to leave out, as in pi,server.")] = "",
    memory: Annotated[
        list[str] | None, typer.Option(help="Memory limit of a device's stage, as in pi=512MB.")
    ] = None,
    most_latency_ms: Annotated[float | None, typer.Option(min=0, help="Highest latency, in ms.")] = None,
    least_throughput: Annotated[
        float | None, typer.Option(min=0, help="Lowest throughput, in samples/s.")
    ] = None,
    codec: _Codec = "none",
    least_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Lowest accuracy that the codec may leave, as in 0.95."),
    ] = None,
    most_devices: Annotated[int | None, typer.Option(min=1, help="Largest number of devices.")] = None,
    device_profiles: DeviceProfiles = DEVICE_PROFILES,
    best: Annotated[int, typer.Option(min=1, help="Number of plans, best first.")] = 1,
    experiment: Annotated[
        Path | None,
        typer.Option(help="Write an experiment that measures these plans beside their baselines."),
    ] = None,
    progress: ProgressFile = None,
    as_json: AsJson = False,
) -> None:
    """Plan which devices to use, in which order, and where to cut; exit code 2 without a feasible plan."""
    options = PlanOptions(
        network=network,
        networks_file=networks_file,
        folder=device_profiles,
        batch=batch,
        threads=threads,
        codec=codec,
        as_json=as_json,
        objective=objective,
        source=source,
        without=without,
        memory=memory or [],
        most_latency_ms=most_latency_ms,
        least_throughput=least_throughput or None,
        least_accuracy=least_accuracy or 0.0,
        most_devices=most_devices,
        best=best,
        experiment=experiment,
    )
    with also_into(progress):
        commands.plan(Bundle.open(bundle), load_lab(lab), options)
