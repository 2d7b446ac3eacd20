"""The options of the command line."""

from __future__ import annotations

import argparse
import ipaddress
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from edgecut_link.errors import LinkError

__all__ = ["parse"]

_DESCRIPTION = """\
Shape traffic from and to data ports on one interface, on a lease that this host ends by itself.

    apply --address 10.0.0.2 --data-port 7101 --delay-ms 5 --rate-mbit 20
    apply --interface eth0 --data-port 7101 --delay-ms 5 --to 10.0.0.3 --delay-ms 60
    show | clear | expire

Conditions apply to the addresses just before them; conditions before any --to apply to all other addresses.
Other traffic, including SSH and control ports, stays in bands without delay.

Let a timer run expire at least every third of the lease: it clears a link whose worker has not renewed its
heartbeat file. It compares uptimes only, so setting the clock neither ends nor extends a lease.
Needs root, tc (iproute2) and the kernel's sch_netem, sch_prio and cls_u32; for a rate alone sch_tbf, sch_htb
and cls_u32 are enough."""

_STATE_FOLDER = Path("/run/edgecut-link")
_HEARTBEAT = Path("/run/edgecut/heartbeat")


class _Parser(argparse.ArgumentParser):
    """Reports an error as a LinkError, in one line."""

    def error(self, message: str) -> NoReturn:
        raise LinkError(f"{message} (see {self.prog} --help)")


class _To(argparse.Action):
    """Starts a group of addresses and conditions, or adds the address to the group just started."""

    def __call__(self, parser: Any, options: Any, value: Any, name: str | None = None) -> None:
        groups = options.groups
        if groups[-1]["to"] and not groups[-1]["conditions"]:
            groups[-1]["to"].append(value)
        else:
            groups.append({"to": [value], "conditions": {}})


class _Condition(argparse.Action):
    """Adds a condition to the last group."""

    def __call__(self, parser: Any, options: Any, value: Any, name: str | None = None) -> None:
        conditions = options.groups[-1]["conditions"]
        if self.dest in conditions:
            raise LinkError(f"{name} is repeated for the same addresses; give it once")
        conditions[self.dest] = value


def _number(least: float, below: float = math.inf, *, above: bool = False) -> Any:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (value > least if above else value >= least) or not value < below:
            bound = f"{'above' if above else 'at least'} {least:g}"
            bound += f" and below {below:g}" if below < math.inf else ""
            raise argparse.ArgumentTypeError(f"{text!r} is not a number {bound} (without a unit)")
        return value

    return read


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IP address") from error


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Raises LinkError: an option is wrong."""
    # Keep the line breaks of the examples.
    parser = _Parser(
        prog="edgecut_link", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state-folder", type=Path, default=_STATE_FOLDER, help="default: %(default)s")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND", parser_class=_Parser)
    applying = commands.add_parser("apply", help="shape the link; prints changed or unchanged")
    add = applying.add_argument
    add("--interface", help="default: the interface with --address")
    add("--address", type=_address, help="address of this host at which others reach its data port")
    add(
        "--data-port",
        type=_port,
        action="append",
        required=True,
        help="of this host or another; repeatable",
    )
    add("--network", metavar="NAME", default="", help="the network's name, for messages")
    add("--lease-s", type=_number(0, above=True), default=60.0, help="default: %(default)s")
    add(
        "--heartbeat",
        type=Path,
        default=_HEARTBEAT,
        help="file renewed by the worker (default: %(default)s)",
    )
    add("--delay-ms", type=_number(0), action=_Condition, help="one way")
    add("--jitter-ms", type=_number(0), action=_Condition, help="uniform, plus or minus")
    add("--rate-mbit", type=_number(0, above=True), action=_Condition)
    add("--loss-percent", type=_number(0, 100), action=_Condition)
    add("--to", type=_address, action=_To, metavar="ADDRESS", help="start conditions for this address")
    add("--print", action="store_true", help="only print the tc lines")
    add("--by-htb", action="store_true", help="with --print: the lines for a kernel without prio or netem")
    applying.set_defaults(groups=[{"to": [], "conditions": {}}])
    for name, text in (
        ("clear", "clear the link; prints changed or unchanged"),
        ("show", "print the state as JSON"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--interface", help="default: all shaped interfaces")
    commands.add_parser("expire", help="clear links whose lease has ended")
    options = parser.parse_args(arguments)
    if options.command == "apply" and not (options.interface or options.address):
        raise LinkError("name the interface to shape with --interface, or by its --address")
    return options
