"""The commands `profile`, `plan` and `bench-plan` of `python -m controller`."""

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.planning import BenchAsked, bench_plan
from controller.console import also_into
from controller.lab.inventory import load_lab
from controller.planning import commands
from exporter.bundle import Bundle

__all__ = ["app"]

app = typer.Typer()

_LabFile = Annotated[
    Path, typer.Option("--lab", envvar="EDGECUT_LAB", help="Lab file, as ansible/deploy.yml writes it.")
]
_Threads = Annotated[
    int | None,
    typer.Option(min=1, help="ONNX Runtime threads of a stage. Default: as the inventory says."),
]
_LAB = Path(".edgecut/local.json")
_NETWORK_PROFILES = Path("ansible/network_profiles.yml")
_PROFILES = Path("profiles")


@app.command()
def profile(
    bundle: Annotated[Path, typer.Argument(help="Bundle, as `python -m exporter export` writes it.")],
    lab: _LabFile = _LAB,
    cuts: Annotated[
        str, typer.Option(help="Where to time stages: clean, blocks or all cut points.")
    ] = "clean",
    batch: Annotated[int, typer.Option(min=1, help="Samples in a request.")] = 1,
    threads: _Threads = None,
    budget: Annotated[float, typer.Option(min=1, help="Seconds for the stages of each device, about.")] = 40,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer repetitions: sooner, and less sure.")] = False,
    profiles: Annotated[Path, typer.Option(help="Folder of profiles.")] = _PROFILES,
    progress: Annotated[Path | None, typer.Option(help="Append progress to this file too, as lines.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure even if one is there that fits.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
    codecs: Annotated[str, typer.Option(help="Codecs to measure too, as in uint8,zfp:0.01.")] = "",
) -> None:
    """Measure what a model costs on every device and link of the lab, for `plan`."""
    asked = commands.ProfileAsked(
        cuts, batch, threads, budget, quick, profiles, progress, again, as_json, codecs
    )
    commands.profile(Bundle.open(bundle), load_lab(lab), asked)


@app.command()
def plan(
    bundle: Annotated[Path, typer.Argument(help="Bundle that was profiled.")],
    lab: _LabFile = _LAB,
    objective: Annotated[str, typer.Option(help="latency, throughput, knee or pareto.")] = "latency",
    profile: Annotated[str, typer.Option(help="Network profile that the plan is for.")] = "ideal",
    batch: Annotated[int, typer.Option(min=1, help="Samples in a request.")] = 1,
    threads: _Threads = None,
    source: Annotated[
        str | None, typer.Option(help="Where requests are born: a device, or any. Default: the first.")
    ] = None,
    without: Annotated[str, typer.Option(help="Devices to leave out, as in pi,server.")] = "",
    memory: Annotated[list[str] | None, typer.Option(help="What a stage may take, as in pi=512MB.")] = None,
    most_latency_ms: Annotated[float | None, typer.Option(min=0, help="The longest latency.")] = None,
    least_throughput: Annotated[float | None, typer.Option(min=0, help="The fewest samples/s.")] = None,
    codec: Annotated[str, typer.Option(help="Codec of all links, of those profiled.")] = "none",
    least_accuracy: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Cut nowhere where the codec leaves less accuracy, as in 0.95."),
    ] = None,
    most_devices: Annotated[int | None, typer.Option(min=1, help="How many devices at most.")] = None,
    profiles: Annotated[Path, typer.Option(help="Folder of profiles.")] = _PROFILES,
    network_profiles: Annotated[Path, typer.Option(help="File of network profiles.")] = _NETWORK_PROFILES,
    best: Annotated[int, typer.Option(min=1, help="How many plans: the best, and the next best.")] = 1,
    at: Annotated[
        str | None,
        typer.Option(
            help="Predict this split and plan nothing; cuts as in `run`: 23 or features.7 or 12,41."
        ),
    ] = None,
    devices: Annotated[
        str | None, typer.Option(help="Its chain, as in pi,server. Default: the whole lab.")
    ] = None,
    depth: Annotated[int | None, typer.Option(min=1, help="Its requests in flight. Default: 1.")] = None,
    experiment: Annotated[
        Path | None,
        typer.Option(help="Write an experiment that tries them, and what they are to be compared with."),
    ] = None,
    progress: Annotated[Path | None, typer.Option(help="Append the tables to this file too.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say which devices to use, in which order, and where to cut; exit code 2 when no plan is feasible."""
    asked = commands.PlanAsked(
        objective=objective,
        profile=profile,
        network_profiles=network_profiles,
        folder=profiles,
        batch=batch,
        threads=threads,
        source=source,
        without=without,
        memory=memory or [],
        most_latency_ms=most_latency_ms,
        least_throughput=least_throughput or None,
        codec=codec,
        least_accuracy=least_accuracy or 0.0,
        most_devices=most_devices,
        best=best,
        experiment=experiment,
        as_json=as_json,
        at=at,
        chain=devices,
        depth=depth,
    )
    with also_into(progress):
        commands.plan(Bundle.open(bundle), load_lab(lab), asked)


@app.command("bench-plan")
def bench_planning(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles to profile and to measure.")],
    lab: _LabFile = _LAB,
    out: Annotated[Path, typer.Option(help="File of the results.")] = Path("results/bench-plan.json"),
    trial: Annotated[float, typer.Option(min=0, help="Seconds that a trial may take, about.")] = 0.25,
    budget: Annotated[float, typer.Option(min=1, help="Seconds for the stages of each device, about.")] = 40,
    every: Annotated[int, typer.Option(min=1, help="Measure every n-th split only: a quick look.")] = 1,
) -> None:
    """Measure how right predictions and plans are; exit code 1 where a figure misses its bound."""
    if not bench_plan(load_lab(lab), BenchAsked(bundles, out, trial, budget, every)):
        raise typer.Exit(1)
