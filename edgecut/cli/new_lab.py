"""The command `lab new`: flags, or questions."""

import shlex
from dataclasses import replace
from typing import Annotated

import typer

from controller.errors import LabError
from edgecut.new_lab import (
    LINKS,
    LINKS_WITHOUT_ROOT,
    NewDevice,
    NewLab,
    check_how,
    check_lab_name,
    own_user,
    write,
)
from edgecut.playbook import ROOT
from worker.terminal import say, show

__all__ = ["app"]

app = typer.Typer()


@app.command(name="new-lab")
def new_lab(
    name: Annotated[str, typer.Argument(help="Name of the lab, as in mylab.")],
    device: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=[USER@]ADDRESS[,INTERFACE]",
            help="A device, as in pi1=192.168.1.11; repeat it in the order of the chain. Default: questions.",
        ),
    ] = None,
    user: Annotated[
        str, typer.Option(help="User of devices without one of their own; SSH logs in as.")
    ] = "pi",
    links: Annotated[
        str | None,
        typer.Option(
            help="How networks are made: tc by the kernel, emulated by the workers, none. Default: tc."
        ),
    ] = None,
    no_root: Annotated[
        bool, typer.Option("--no-root", help="Install services of the user, without root on the devices.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the inventory if it exists.")] = False,
) -> None:
    """Write the inventory of a lab, inventory/NAME; without `--device` it asks."""
    check_lab_name(name)
    folder = ROOT / "inventory" / name
    if folder.exists() and not force:
        raise LabError(f"{folder} exists; choose another name, or replace it with --force")
    check_how(user, links, with_root=not no_root)
    devices = [NewDevice.parse(text) for text in device or ()]
    if devices:
        lab = NewLab(name, devices, user, links or "tc", not no_root)
    else:
        lab = _asked(name, user, links, no_root=no_root)
    write(lab, folder, force=force)
    show(f"wrote {folder}: {', '.join(each.name for each in lab.devices)}")
    show(f"Next: {shlex.join(['edgecut', 'lab', 'check', '-i', f'inventory/{name}'])}")


def _asked(name: str, user: str, links: str | None, *, no_root: bool) -> NewLab:
    say("The devices in the order of the chain: requests begin on the first. An empty name ends the list.")
    devices: list[NewDevice] = []
    while one := _asked_device(len(devices) + 1, user, {each.name for each in devices}):
        devices.append(one)
    if links is None:
        say("Links: tc shapes them in the kernel (needs root); the workers emulate them; none leaves them.")
        choices = LINKS_WITHOUT_ROOT if no_root else LINKS
        links = _asked_one("links", choices[0], choices)
    with_root = not no_root and (
        links == "tc" or typer.confirm("may Ansible become root on the devices?", True, err=True)
    )
    return NewLab(name, devices, user, links, with_root)


def _asked_device(number: int, user: str, taken: set[str]) -> NewDevice | None:
    """One device, or None at the end of the list; asked again until it can be."""
    while True:
        default = f"pi{number}" if number <= 2 else ""
        name = str(typer.prompt(f"device {number}: name", default, err=True, show_default=bool(default)))
        if not name:
            return None
        try:
            if name in taken:
                raise LabError(f"another device is named {name!r}")
            device = NewDevice(name, str(typer.prompt("  address", err=True)))
            device.check()
            login = own_user(user) if device.is_this_machine else user
            device = replace(device, user=str(typer.prompt("  user", login, err=True)))
            interface = typer.prompt(
                "  interface (empty: that of the address)", "", show_default=False, err=True
            )
            device = replace(device, interface=str(interface) or None)
            device.check()
        except LabError as error:
            say(f"  {error}")
            continue
        return device


def _asked_one(text: str, default: str, choices: tuple[str, ...]) -> str:
    while (answer := str(typer.prompt(f"{text} ({', '.join(choices)})", default, err=True))) not in choices:
        say(f"  {answer!r}: choose one of {', '.join(choices)}")
    return answer
