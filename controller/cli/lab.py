"""The commands on a lab itself: `status`, `links`, `selfcheck`, `certificate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from controller.console import Screen, say, show
from controller.errors import ExperimentError, LabError, LinkMismatch, one_line
from controller.experiment.networks import AS_IS, Network, find_network, load_networks
from controller.lab.certificates import Authority
from controller.lab.health import show_status
from controller.lab.inventory import load_lab
from controller.links import Check, check_links, check_reach, shaping_arguments
from controller.options import LAB, NETWORKS, AsJson, LabFile, NetworksFile, ProgressFile
from controller.selfcheck import run_selfcheck, show_verdict
from worker.wire.security import CONTROLLER

__all__ = ["app"]

app = typer.Typer()


@app.command()
def status(
    lab: LabFile = LAB,
    devices: Annotated[
        str | None, typer.Option(help="Only these devices, as in pi,server. Default: all.")
    ] = None,
    infer: Annotated[
        bool,
        typer.Option(
            "--infer", help="Also run a real inference on each device, and reach each from the others."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the lab's devices and their users; exit code 2 if a device has a problem."""
    loaded = load_lab(lab)
    names = devices.split(",") if devices else [device.name for device in loaded.devices]
    if not show_status(loaded, names, infer=infer, as_json=as_json):
        raise typer.Exit(2)
    if infer:
        check_reach(loaded, names)


@app.command()
def links(
    lab: LabFile = LAB,
    network: Annotated[str | None, typer.Option(help="Network that the links should have.")] = None,
    networks_file: NetworksFile = NETWORKS,
    devices: Annotated[
        str | None, typer.Option(help="Only links between these devices, as in pi,server.")
    ] = None,
    results: Annotated[Path | None, typer.Option(help="Store the measurements in this results file.")] = None,
    as_is: Annotated[bool, typer.Option("--as-is", help="Measure the links without judging them.")] = False,
    without_lost: Annotated[
        bool, typer.Option("--without-lost", help="Continue without devices that do not answer.")
    ] = False,
    shaping: Annotated[
        bool, typer.Option("--shaping", help="Only print each device's edgecut_link arguments, as JSON.")
    ] = False,
) -> None:
    """Measure every link between two devices; exit code 1 if one does not match the network."""
    if network is None and (shaping or not as_is):
        raise ExperimentError(
            "no --network; name the one that the links should have, or measure them with --as-is"
        )
    loaded = load_lab(lab)
    names = [device.name for device in loaded.devices]
    # `as_is` needs no networks file.
    from_file = network is not None and network != AS_IS
    conditions = find_network(
        load_networks(networks_file) if from_file else {}, network or AS_IS, networks_file
    )
    conditions.check_pairs(network or AS_IS, names)
    if shaping:
        show(json.dumps(shaping_arguments(loaded, conditions)))
        return
    chosen = [loaded.device(name).name for name in devices.split(",")] if devices else names
    judge = from_file and not as_is
    try:
        check_links(loaded, Check(chosen, network, conditions, judge, without_lost), results)
    except LinkMismatch as error:
        say(f"error: {one_line(str(error))}")
        raise typer.Exit(1) from error


@app.command()
def selfcheck(
    lab: LabFile = LAB,
    network: Annotated[
        str | None, typer.Option(help="Network that the links have now; without it only devices are checked.")
    ] = None,
    networks_file: NetworksFile = NETWORKS,
    progress: ProgressFile = None,
) -> None:
    """Plant known times on every device and fill every link; exit code 1 if a measured figure is off."""
    loaded = load_lab(lab)
    conditions = Network()
    if network is not None:
        conditions = find_network(load_networks(networks_file), network, networks_file)
        conditions.check_pairs(network, [device.name for device in loaded.devices])
    with Screen(progress) as screen:
        verdict = run_selfcheck(loaded, lab, network, conditions, screen)
    show_verdict(verdict)
    if verdict.wrong:
        raise typer.Exit(1)


@app.command()
def certificate(
    device: Annotated[str, typer.Argument(help="Name of the device to certify.")],
    authority: Annotated[Path, typer.Option(help="Folder of the lab's certificate authority.")],
    installed: Annotated[str, typer.Option(help="SHA-256 of the device's installed device.pem.")] = "",
) -> None:
    """Print ca.pem and a new device.pem with its private key as JSON; null if the installed one is valid."""
    if device == CONTROLLER:
        raise LabError(f"{CONTROLLER!r} is a reserved name; rename this device")
    with Authority(authority) as opened:
        issued = opened.issue(device).pem.decode() if opened.needs(device, installed) else None
        show(json.dumps({"ca": opened.ca_pem.decode(), "device": issued}))
