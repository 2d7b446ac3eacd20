"""`python -m controller COMMAND`: drive the workers of a lab."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import run_bench, show_bench
from controller.cli.planning import app as planning
from controller.cli.watch import app as watching
from controller.console import Screen
from controller.errors import ControllerError, ExperimentError, LabError, one_line
from controller.experiment.backend import RpcSettings
from controller.experiment.cells import resolve_cut
from controller.experiment.codec_assignment import choice_of
from controller.experiment.documentation import json_schema, markdown_table
from controller.experiment.networks import AS_IS, find_profile, load_network_profiles
from controller.experiment.resolve import make_agenda
from controller.lab.certificates import Authority
from controller.lab.health import show_status
from controller.lab.inventory import load_lab
from controller.links import Check, check_links, shaping_arguments
from controller.live import AtWork, note_sweep
from controller.profiling.codec_table import CODECS, show_codec_table
from controller.results import Store
from controller.results.check import run_check
from controller.results.provenance import now
from controller.sweep.dry_run import dry_run, show_dry_run
from controller.sweep.outcome import INTERRUPTED
from controller.sweep.runner import run_sweep
from controller.sweep.search.budget import TimeBudget, parse_duration
from controller.sweep.search.profiling import prepare
from controller.sweep.single_cell import OneCell, run_one_cell
from exporter.bundle import Bundle, BundleError
from worker.wire.security import CONTROLLER

app = typer.Typer(
    help="Drive the workers of a lab: look at it, run one cell, sweep an experiment.",
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
)
app.add_typer(planning)
app.add_typer(watching)

LabFile = Annotated[
    Path, typer.Option("--lab", envvar="EDGECUT_LAB", help="Lab file, as ansible/deploy.yml writes it.")
]
_KEPT = {
    "sweep": "what was finished is kept, the same command goes on",
    "profile": "a profile is kept whole or not at all: none was written",
    "bench-plan": "models that were done are in its file; the same command begins anew",
}
_LAB = Path(".edgecut/local.json")
_NETWORK_PROFILES = Path("ansible/network_profiles.yml")


@app.command()
def status(
    lab: LabFile = _LAB,
    devices: Annotated[str | None, typer.Option(help="Only these, as in pi,server. Default: all.")] = None,
    infer: Annotated[bool, typer.Option("--infer", help="Also run a real inference on each device.")] = False,
) -> None:
    """Say which devices of the lab are there, and who holds them; exit code 2 unless all are well."""
    there = load_lab(lab)
    names = devices.split(",") if devices else [device.name for device in there.devices]
    if not show_status(there, names, infer=infer):
        raise typer.Exit(2)


@app.command()
def run(
    bundle: Annotated[Path, typer.Argument(help="Bundle, as `python -m exporter export` writes it.")],
    at: Annotated[str, typer.Option(help="Cuts, as indices or module paths: 23 or features.7 or 12,41.")],
    lab: LabFile = _LAB,
    devices: Annotated[
        str | None, typer.Option(help="Chain of devices, as in pi,server. Default: the whole lab.")
    ] = None,
    depth: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Samples in a request.")] = 1,
    load: Annotated[
        str,
        typer.Option(
            help="When requests are due: offline, single, constant:20/s, poisson:20/s, poisson:p90<=100ms."
        ),
    ] = "offline",
    prefetch: Annotated[
        int | None, typer.Option(min=0, help="Inputs made ahead while it runs. Default: all before it.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, help="Timed requests.")] = 24,
    duration_s: Annotated[
        float | None, typer.Option("--duration", help="End by time, in seconds, in place of --requests.")
    ] = None,
    until_stable: Annotated[
        bool, typer.Option("--until-stable", help="Go on until the last three thirds agree.")
    ] = False,
    warmup: Annotated[int, typer.Option(min=0, help="Requests before them.")] = 5,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="ONNX Runtime threads of a stage. Default: as the inventory says."),
    ] = None,
    profile: Annotated[
        str, typer.Option(help="Network profile; where tc shapes links, the one that is in force.")
    ] = "ideal",
    source: Annotated[str, typer.Option(help="Where requests are born: first or controller.")] = "first",
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
    network_profiles: Annotated[Path, typer.Option(help="File of network profiles.")] = _NETWORK_PROFILES,
) -> None:
    """Run one cell once, and show where the time went."""
    asked = OneCell(
        at=at,
        devices=devices,
        depth=depth,
        batch=batch,
        load=load,
        prefetch=prefetch,
        requests=requests,
        duration_s=duration_s,
        until_stable=until_stable,
        warmup=warmup,
        threads=threads,
        profile=profile,
        source=source,
        codec=codec,
        topology=topology,
        backend=backend,
        rpc=RpcSettings(port=rpc_port, threads=rpc_threads, interface=rpc_interface),
        network_profiles=network_profiles,
    )
    run_one_cell(asked, Bundle.open(bundle), load_lab(lab))


@app.command()
def sweep(
    experiment: Annotated[Path, typer.Argument(help="Experiment file; `schema` says what it may hold.")],
    lab: LabFile = _LAB,
    results: Annotated[
        Path | None, typer.Option(help="Results file. Default: results/NAME/results.sqlite.")
    ] = None,
    profile: Annotated[str | None, typer.Option(help="Run the cells of this network profile only.")] = None,
    bundles: Annotated[Path | None, typer.Option(help="Folder of bundles, in place of the file's.")] = None,
    network_profiles: Annotated[
        Path | None, typer.Option(help="File of network profiles, in place of the file's.")
    ] = None,
    progress: Annotated[Path | None, typer.Option(help="Append progress to this file too, as lines.")] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(help="Measure the most promising cells first, for so long: 1h30m, 20m, 90s."),
    ] = None,
    profiles_folder: Annotated[
        Path, typer.Option("--profiles", help="Folder of profiles, for search: planned.")
    ] = Path("profiles"),
    only_prepare: Annotated[
        bool, typer.Option("--prepare", help="Only take the profiles that search: planned needs.")
    ] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --dry-run: as JSON.")] = False,
) -> None:
    """Run every cell of an experiment; the same command takes up an unfinished one."""
    agenda = make_agenda(
        experiment, load_lab(lab), bundles_folder=bundles, network_profiles_file=network_profiles
    )
    profiles = agenda.choose(profile)
    budget = TimeBudget(parse_duration(time_budget)) if time_budget is not None else None
    path = results or Path("results") / agenda.experiment.name / "results.sqlite"
    if dry:
        show_dry_run(dry_run(agenda, profiles, path, budget), as_json=as_json)
        return
    with (
        Store.create(
            path,
            name=agenda.experiment.name,
            text=agenda.text,
            seed=agenda.experiment.seed,
            trials=agenda.experiment.trials,
            created_at=now(),
        ) as store,
        AtWork(store, is_shown=sys.stderr.isatty()) as work,
        Screen(progress, work) as screen,
    ):
        note_sweep(lab, path)
        if only_prepare:
            prepare(agenda, store, profiles_folder, screen, shaped=False)
            work.end("the lab is profiled")
            return
        agenda.refuse_shaped(profiles)
        prepare(agenda, store, profiles_folder, screen, shaped=True)
        outcome = run_sweep(agenda, profiles, store, screen, budget)
        screen.say(outcome.summary(path))
        work.end(outcome.summary(path))
    if outcome.exit_code:
        raise typer.Exit(outcome.exit_code)


@app.command()
def links(
    lab: LabFile = _LAB,
    profile: Annotated[
        str | None, typer.Option(help="Network profile that the links were shaped to.")
    ] = None,
    network_profiles: Annotated[Path, typer.Option(help="File of network profiles.")] = _NETWORK_PROFILES,
    devices: Annotated[str | None, typer.Option(help="Only between these, as in pi,server.")] = None,
    results: Annotated[Path | None, typer.Option(help="Keep it in this results file.")] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Only measure; judge nothing.")] = False,
    without_lost: Annotated[
        bool, typer.Option("--without-lost", help="Go on without devices that are not there.")
    ] = False,
    shaping: Annotated[
        bool, typer.Option("--shaping", help="Only print, as JSON, what edgecut_link is told on each device.")
    ] = False,
) -> None:
    """Measure every link between two devices; exit code 2 unless all are as the profile asks."""
    if profile is None and (shaping or not as_is):
        raise ExperimentError("name what the links are to be with --profile NAME, or measure them --as-is")
    there = load_lab(lab)
    names = [device.name for device in there.devices]
    # `as_is` needs no file of profiles.
    from_file = profile is not None and profile != AS_IS
    asked = find_profile(
        load_network_profiles(network_profiles) if from_file else {}, profile or AS_IS, network_profiles
    )
    asked.check_pairs(profile or AS_IS, names)
    if shaping:
        print(json.dumps(shaping_arguments(there, asked)))
        return
    wanted = [there.device(name).name for name in devices.split(",")] if devices else names
    judge = from_file and not as_is
    check_links(there, Check(wanted, profile, asked, judge, without_lost), results)


@app.command()
def bench(
    out: Annotated[Path, typer.Option(help="File of the results.")] = Path("results/bench.json"),
    cache: Annotated[Path, typer.Option(help="Folder in which its bundles are kept.")] = Path(
        "results/bench/bundles"
    ),
    rounds: Annotated[int, typer.Option(min=1, help="Rounds at most; 10 minutes may hold fewer.")] = 5,
    only: Annotated[
        list[str] | None, typer.Option(help="Only figures whose key begins so; may be given several times.")
    ] = None,
    cores: Annotated[
        str | None, typer.Option(help="A core for each of the two devices, as in 0,1. Default: the first.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Only print the table of what is in --out.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="With --show: as Markdown.")] = False,
) -> None:
    """Measure what the runtime makes of this machine; exit code 1 where a figure misses its bound."""
    if show:
        show_bench(out, as_markdown=markdown)
        return
    if not run_bench(out, cache, rounds=rounds, only=only or [], cores=cores):
        raise typer.Exit(1)


@app.command()
def codecs(
    bundle: Annotated[Path, typer.Argument(help="Bundle, as `python -m exporter export` writes it.")],
    at: Annotated[str, typer.Option(help="Cut, as an index or a module path.")],
    codec: Annotated[str, typer.Option(help="Codecs to compare, with commas between.")] = CODECS,
    samples: Annotated[int | None, typer.Option(min=1, help="How many samples. Default: all.")] = None,
) -> None:
    """Compare codecs on one cut of a model, on this machine: what each saves, costs and changes."""
    opened = Bundle.open(bundle)
    cut = resolve_cut(opened, int(at) if at.isdecimal() else at, asked_by="--at")
    names = [choice_of(name.strip(), "--codec") for name in codec.split(",")]
    show_codec_table(opened, cut, names, samples)


@app.command()
def check(
    results: Annotated[Path, typer.Argument(help="Results file, as a sweep writes it.")],
    save: Annotated[
        Path | None, typer.Option(help="Also write what can be read of a damaged file to this new one.")
    ] = None,
) -> None:
    """See whether a results file is whole and true to itself; exit code 1 where anything is wrong."""
    if not run_check(results, save):
        raise typer.Exit(1)


@app.command()
def certificate(
    device: Annotated[str, typer.Argument(help="Name of the device that is to have it.")],
    authority: Annotated[Path, typer.Option(help="Folder of the lab's certificate authority.")],
    installed: Annotated[str, typer.Option(help="SHA-256 of the device.pem that it has.")] = "",
) -> None:
    """Print, as JSON, ca.pem and a new device.pem with its private key; null if the one it has is good."""
    if device == CONTROLLER:
        raise LabError(f"no device may be called {CONTROLLER!r}, which we are")
    with Authority(authority) as opened:
        issued = opened.issue(device).pem.decode() if opened.needs(device, installed) else None
        print(json.dumps({"ca": opened.ca_pem.decode(), "device": issued}))


@app.command()
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table for people.")] = False,
) -> None:
    """Print the schema of the experiment file (JSON Schema)."""
    print(markdown_table() if markdown else json_schema())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(given, prog_name="python -m controller", standalone_mode=False)
    except (ControllerError, BundleError) as error:
        return _refuse(str(error))
    except typer.TyperException as error:
        return _refuse(error.format_message())
    except OSError as error:  # a path that no system takes, a disk that is full
        return _refuse(f"{error.filename or 'file'}: {error.strerror or error}")
    # typer turns Ctrl-C into this code.
    if code == INTERRUPTED:
        print(f"interrupted; {_kept(given)}" if _kept(given) else "interrupted", file=sys.stderr)
    return int(code or 0)


def _refuse(text: str) -> int:
    print(f"error: {one_line(text)}", file=sys.stderr)
    return 2


def _kept(given: Sequence[str]) -> str:
    """What a command that was interrupted leaves behind."""
    words = [word for word in given if word in _KEPT]
    return _KEPT[words[0]] if words else ""


if __name__ == "__main__":
    sys.exit(main())
