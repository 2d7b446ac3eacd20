"""The commands that measure: `run`, `sweep`; and `schema`, which documents experiments."""

import sys
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
from controller.console import Screen
from controller.experiment.backend import RpcSettings
from controller.experiment.documentation import json_schema, markdown_table
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.live import Publisher, note_sweep
from controller.results import Settings, Store
from controller.results.provenance import now
from controller.sweep.dry_run import dry_run, show_dry_run
from controller.sweep.runner import run_sweep
from controller.sweep.search.budget import TimeBudget, parse_duration
from controller.sweep.search.profiling import prepare
from controller.sweep.single_cell import RunOptions, run_one_cell
from exporter.bundle import Bundle

__all__ = ["app"]

app = typer.Typer()


@app.command()
def run(
    bundle: BundleFolder,
    at: Annotated[str, typer.Option(help="Cuts, as indices or module paths: 23 or features.7 or 12,41.")],
    lab: LabFile = LAB,
    devices: Devices = None,
    depth: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 1,
    batch: Batch = 1,
    load: Annotated[
        str,
        typer.Option(
            help="When requests are due: offline, single, constant:20/s, poisson:20/s, poisson:p90<=100ms."
        ),
    ] = "offline",
    prefetch: Annotated[
        int | None, typer.Option(min=0, help="Inputs made ahead during the run. Default: all before it.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="Timed requests.")] = 24,
    duration_s: Annotated[
        float | None, typer.Option("--duration", help="End after so many seconds, in place of --requests.")
    ] = None,
    until_stable: Annotated[
        bool, typer.Option("--until-stable", help="Continue until the last three thirds agree.")
    ] = False,
    warmup: Annotated[int, typer.Option(min=0, help="Requests before them.")] = 5,
    threads: Threads = None,
    network: Annotated[
        str, typer.Option(help="Network; where tc shapes links, the one that is in force.")
    ] = "ideal",
    source: Annotated[str, typer.Option(help="Where requests begin: first or controller.")] = "first",
    codec: Annotated[
        str, typer.Option(help="Codec of the links, as in uint8 or zfp:0.01 or 'forward: uint8'.")
    ] = "none",
    topology: Annotated[
        str, typer.Option(help="From device to device (chain), or through the controller (hub).")
    ] = "chain",
    backend: Annotated[
        str, typer.Option(help="What carries requests from device to device: socket or torch_rpc.")
    ] = "socket",
    rpc_port: Annotated[int, typer.Option(min=1, max=65535, help="Of PyTorch RPC.")] = 29500,
    rpc_threads: Annotated[int, typer.Option(min=1, help="Of PyTorch RPC, on each device.")] = 16,
    rpc_interface: Annotated[
        str | None, typer.Option(help="Of PyTorch RPC. Default: the one with a device's address.")
    ] = None,
    networks_file: NetworksFile = NETWORKS,
) -> None:
    """Run one cell once, and show where the time went."""
    options = RunOptions(
        at=at,
        devices=devices,
        settings=Settings(
            source=source,
            depth=depth,
            batch=batch,
            codec=codec,
            backend=backend,
            load=load,
            prefetch=prefetch,
            topology=topology,
        ),
        requests=requests,
        duration_s=duration_s,
        until_stable=until_stable,
        warmup=warmup,
        threads=threads,
        network=network,
        rpc=RpcSettings(port=rpc_port, threads=rpc_threads, interface=rpc_interface),
        networks_file=networks_file,
    )
    run_one_cell(options, Bundle.open(bundle), load_lab(lab))


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(help="Experiment file; `schema` documents it.")],
    lab: LabFile = LAB,
    results: Annotated[
        Path | None, typer.Option(help="Results file. Default: results/NAME/results.sqlite.")
    ] = None,
    network: Annotated[str | None, typer.Option(help="Run only the cells of this network.")] = None,
    bundles: Annotated[Path | None, typer.Option(help="Folder of bundles, in place of the file's.")] = None,
    networks_file: Annotated[
        Path | None, typer.Option("--networks", help="File of networks, in place of the experiment's.")
    ] = None,
    progress: ProgressFile = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Measure the most promising cells first, for so long: 1h30m, 20m, 90s."),
    ] = None,
    device_profiles: DeviceProfiles = DEVICE_PROFILES,
    only_prepare: Annotated[
        bool, typer.Option("--prepare", help="Only take the device profiles that search: planned needs.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only print what would run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run every cell of an experiment; the same command resumes an unfinished sweep."""
    resolved = resolve(experiment, load_lab(lab), bundles_folder=bundles, networks_file=networks_file)
    networks = resolved.choose(network)
    budget = TimeBudget(parse_duration(time_budget)) if time_budget is not None else None
    path = results or Path("results") / resolved.experiment.name / "results.sqlite"
    if dry:
        show_dry_run(dry_run(resolved, networks, path, budget), as_json=as_json)
        return
    with (
        Store.create(
            path,
            name=resolved.experiment.name,
            text=resolved.text,
            seed=resolved.experiment.seed,
            trials=resolved.experiment.trials,
            created_at=now(),
        ) as store,
        Publisher(store, is_shown=sys.stderr.isatty()) as work,
        Screen(progress, work) as screen,
    ):
        note_sweep(lab, path)
        if only_prepare:
            prepare(resolved, store, device_profiles, screen, shaped=False)
            work.end("the lab is profiled")
            return
        resolved.refuse_shaped(networks)
        prepare(resolved, store, device_profiles, screen, shaped=True)
        outcome = run_sweep(resolved, networks, store, screen, budget)
        screen.say(outcome.summary(path))
        work.end(outcome.summary(path))
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for people.")] = False,
) -> None:
    """Print the schema of the experiment file (JSON Schema)."""
    print(markdown_table() if markdown else json_schema())
