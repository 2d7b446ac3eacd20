"""The commands about sweeps: `run`, `sweep`, `watch`, `check`, and `schema` of the experiment file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from controller.console import Screen, show
from controller.experiment.documentation import json_schema, markdown_table
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.live import Publisher, note_sweep
from controller.live.command import WatchOptions, follow
from controller.options import DEVICE_PROFILES, LAB, AsJson, DeviceProfiles, LabFile, ProgressFile, takes
from controller.results.check import run_check
from controller.sweep.dry_run import dry_run, show_dry_run
from controller.sweep.runner import run_sweep
from controller.sweep.search.budget import TimeBudget, parse_duration
from controller.sweep.search.profiling import prepare
from controller.sweep.single_cell import RunOptions, run_one_cell
from exporter.bundle import Bundle

__all__ = ["app"]

app = typer.Typer()


@app.command()
@takes(RunOptions)
def run(options: RunOptions) -> None:
    """Run one cell once, and show where the time went."""
    run_one_cell(options, Bundle.open(options.bundle), load_lab(options.lab))


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
        resolved.create_store(path) as store,
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
        outcome = run_sweep(resolved, networks, store, screen, budget, lab_file=lab)
        screen.say(outcome.summary(path))
        work.end(outcome.summary(path))
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


@app.command()
@takes(WatchOptions)
def watch(options: WatchOptions) -> None:
    """Follow a sweep from another terminal: its current cell, its stages' load, the front so far."""
    follow(options)


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


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table instead.")] = False,
) -> None:
    """Print the JSON Schema of the experiment file."""
    show(*(markdown_table() if markdown else json_schema()).split("\n"))
