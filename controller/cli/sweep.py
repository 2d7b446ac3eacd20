"""The commands that measure, `run` and `sweep`, and `schema`, which documents the experiment file."""

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
        typer.Option(help="Load: offline, single, constant:20/s, poisson:20/s or poisson:p90<=100ms."),
    ] = "offline",
    prefetch: Annotated[
        int | None,
        typer.Option(min=0, help="Inputs prepared ahead during the run. Default: all before the run."),
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="Timed requests.")] = 24,
    duration_s: Annotated[
        float | None, typer.Option("--duration", help="Seconds to run for, in place of --requests.")
    ] = None,
    until_stable: Annotated[
        bool, typer.Option("--until-stable", help="Continue until the last three thirds agree.")
    ] = False,
    warmup: Annotated[int, typer.Option(min=0, help="Untimed requests before the timed ones.")] = 5,
    threads: Threads = None,
    network: Annotated[
        str, typer.Option(help="Network; on links that tc shapes, the network already in force.")
    ] = "ideal",
    source: Annotated[str, typer.Option(help="Source of requests: first (device) or controller.")] = "first",
    codec: Annotated[
        str, typer.Option(help="Codec of the links, as in uint8, zfp:0.01 or 'forward: uint8'.")
    ] = "none",
    topology: Annotated[
        str, typer.Option(help="chain (device to device) or hub (through the controller).")
    ] = "chain",
    backend: Annotated[str, typer.Option(help="Transport between devices: socket or torch_rpc.")] = "socket",
    rpc_port: Annotated[int, typer.Option(min=1, max=65535, help="PyTorch RPC's port.")] = 29500,
    rpc_threads: Annotated[int, typer.Option(min=1, help="PyTorch RPC's threads per device.")] = 16,
    rpc_interface: Annotated[
        str | None, typer.Option(help="PyTorch RPC's network interface. Default: the device address's own.")
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
    network: Annotated[str | None, typer.Option(help="Run only this network's cells.")] = None,
    bundles: Annotated[
        Path | None, typer.Option(help="Folder of bundles, in place of the experiment's.")
    ] = None,
    networks_file: Annotated[
        Path | None, typer.Option("--networks", help="Networks file, in place of the experiment's.")
    ] = None,
    progress: ProgressFile = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Measure for this long, most promising cells first, as in 1h30m, 20m or 90s."),
    ] = None,
    device_profiles: DeviceProfiles = DEVICE_PROFILES,
    only_prepare: Annotated[
        bool, typer.Option("--prepare", help="Only take the device profiles for search: planned.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Print the cells without running them.")] = False,
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
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table instead.")] = False,
) -> None:
    """Print the JSON Schema of the experiment file."""
    print(markdown_table() if markdown else json_schema())
