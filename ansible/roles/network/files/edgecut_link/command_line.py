"""What is asked on the command line."""

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
Shapes what goes from or to data ports on one interface, on a lease that this host ends by itself.

    apply --address 10.0.0.2 --data-port 7101 --delay-ms 5 --rate-mbit 20
    apply --interface eth0 --data-port 7101 --delay-ms 5 --to 10.0.0.3 --delay-ms 60
    show | clear | expire

Conditions hold for the addresses named just before them, and those before any --to for everybody else.
Everything but data ports, SSH and control among it, stays in bands that nothing delays.

expire is for a timer, every third of the lease or more often: it clears a link whose worker's heartbeat
file has not been renewed. Only the uptime is looked at, so a clock that is set ends no lease and keeps none.
Needs root, tc (iproute2) and the kernel's sch_netem, sch_prio and cls_u32."""

_STATE_FOLDER = Path("/run/edgecut-link")
_HEARTBEAT = Path("/run/edgecut/heartbeat")


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise LinkError(f"{message} (see {self.prog} --help)")


class _To(argparse.Action):
    """Begins the conditions of an address, or adds it to those just begun."""

    def __call__(self, parser: Any, options: Any, value: Any, name: str | None = None) -> None:
        groups = options.groups
        if groups[-1]["to"] and not groups[-1]["conditions"]:
            groups[-1]["to"].append(value)
        else:
            groups.append({"to": [value], "conditions": {}})


class _Condition(argparse.Action):
    """Notes a condition for the addresses named last."""

    def __call__(self, parser: Any, options: Any, value: Any, name: str | None = None) -> None:
        conditions = options.groups[-1]["conditions"]
        if self.dest in conditions:
            raise LinkError(f"{name} is given twice for the same addresses")
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
    """The options of a command. Raises LinkError: they are wrong."""
    # Its first line alone would not show how conditions and addresses belong together.
    parser = _Parser(
        prog="edgecut_link", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--state-folder", type=Path, default=_STATE_FOLDER, help="default: %(default)s")
    commands = parser.add_subparsers(required=True, dest="command", metavar="COMMAND", parser_class=_Parser)
    applying = commands.add_parser("apply", help="shape the link; prints changed or unchanged")
    add = applying.add_argument
    add("--interface", help="default: the one that has --address")
    add("--address", type=_address, help="one of this host's, at which others reach its data port")
    add("--data-port", type=_port, action="append", required=True, help="ours and others'; may be repeated")
    add("--lease-s", type=_number(0, above=True), default=60.0, help="default: %(default)s")
    add("--heartbeat", type=Path, default=_HEARTBEAT, help="renewed by the worker (default: %(default)s)")
    add("--delay-ms", type=_number(0), action=_Condition, help="one way")
    add("--jitter-ms", type=_number(0), action=_Condition, help="+- this much, evenly")
    add("--rate-mbit", type=_number(0, above=True), action=_Condition)
    add("--loss-percent", type=_number(0, 100), action=_Condition)
    add("--to", type=_address, action=_To, metavar="ADDRESS", help="what follows is for this address")
    add("--print", action="store_true", help="print the tc lines and do nothing")
    applying.set_defaults(groups=[{"to": [], "conditions": {}}])
    for name, text in (
        ("clear", "clear the link; prints changed or unchanged"),
        ("show", "what is, as JSON"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--interface", help="default: every shaped one")
    commands.add_parser("expire", help="clear links whose lease has ended")
    options = parser.parse_args(arguments)
    if options.command == "apply" and not (options.interface or options.address):
        raise LinkError("name the interface to shape with --interface, or by its --address")
    return options
