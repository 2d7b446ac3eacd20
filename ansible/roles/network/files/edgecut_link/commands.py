"""The commands."""

from __future__ import annotations

import argparse
import json
from typing import Any

from edgecut_link.errors import LinkError, MissingModuleError
from edgecut_link.host import (
    build,
    check_interface,
    interface_of,
    interfaces,
    is_ours,
    qdiscs,
    root_of,
    shaped_interfaces,
    tc,
    unshape,
)
from edgecut_link.lease import Folder, beat_of, has_ended, uptime_s
from edgecut_link.tc_lines import tc_lines

__all__ = ["run"]


def run(options: argparse.Namespace) -> str:
    """Run a command; returns its output. Raises LinkError: the command failed."""
    commands = {"apply": _apply, "clear": _clear, "show": _show, "expire": _expire}
    return commands[options.command](options, Folder(options.state_folder))


def _apply(options: argparse.Namespace, folder: Folder) -> str:
    interface, ports = options.interface, sorted(set(options.data_port))
    if options.print:
        printed = tc_lines(interface or "IF", ports, options.groups, by_htb=options.by_htb)
        return "\n".join(" ".join(["tc", *line]) for line in printed)
    interface = interface or interface_of(options.address)
    lines = tc_lines(interface, ports, options.groups)
    check_interface(interface)
    requested = {"data_ports": ports, "groups": options.groups}
    with folder.locked():
        # Shaping on another interface is left from an earlier inventory.
        others = [_clear_one(other, folder) for other in _shaped(folder) if other != interface]
        if not lines:
            return "changed" if "changed" in [*others, _clear_one(interface, folder)] else "unchanged"
        state = folder.read(interface)
        same = state is not None and state["requested"] == requested and qdiscs(interface) == state["qdiscs"]
        if state is None or not same:
            if is_ours(root_of(interface)):
                _clear_one(interface, folder)
            state = {"requested": requested, "restore": _build(interface, lines, options)}
            state["qdiscs"] = qdiscs(interface)
        now_s, heartbeat = uptime_s(), str(options.heartbeat)
        state |= {"lease_s": options.lease_s, "heartbeat": heartbeat, "beat": beat_of(heartbeat)}
        state |= {"beat_at_s": now_s, "looked_at_s": now_s}
        folder.write(interface, state)
    return "unchanged" if same and "changed" not in others else "changed"


def _build(interface: str, lines: list[list[str]], options: argparse.Namespace) -> list[str] | None:
    """Shape the interface by netem, or without netem if that is enough; name the network if it is not."""
    otherwise = tc_lines(interface, sorted(set(options.data_port)), options.groups, by_htb=True)
    try:
        return build(interface, lines, otherwise)
    except MissingModuleError as error:
        what = f"network {options.network!r}" if options.network else "the network"
        raise LinkError(f"{what} cannot be made: {error}") from error


def _clear_one(interface: str, folder: Folder) -> str:
    try:
        state = folder.read(interface)
    except LinkError:
        state = None
    shaped = interface in interfaces() and is_ours(root_of(interface))
    if shaped:
        unshape(interface, state["restore"] if state else None)
    folder.remove(interface)
    return "changed" if shaped else "unchanged"


def _shaped(folder: Folder) -> list[str]:
    """All interfaces that are shaped or have a note."""
    return sorted({*folder.noted(), *shaped_interfaces()})


def _clear(options: argparse.Namespace, folder: Folder) -> str:
    with folder.locked():
        chosen = [options.interface] if options.interface else _shaped(folder)
        done = [_clear_one(interface, folder) for interface in chosen]
    return "changed" if "changed" in done else "unchanged"


def _show(options: argparse.Namespace, folder: Folder) -> str:
    report: dict[str, Any] = {}
    for interface in [options.interface] if options.interface else _shaped(folder):
        check_interface(interface)
        state = folder.read(interface) or {}
        report[interface] = {
            "shaped": is_ours(root_of(interface)),
            "requested": state.get("requested"),
            "lease_s": state.get("lease_s"),
            "since_beat_s": uptime_s() - state["beat_at_s"] if state else None,
            "qdiscs": qdiscs(interface),
            "filters": tc(["filter", "show", "dev", interface]).count("flowid"),
        }
    return json.dumps(report, indent=2)


def _expire(options: argparse.Namespace, folder: Folder) -> str:
    lines = []
    with folder.locked():
        shaped = shaped_interfaces()
        for interface in sorted({*folder.noted(), *shaped}):
            state = folder.read(interface)
            # A shaped interface without a note has no heartbeat that could renew its lease.
            if state is None or interface not in shaped or has_ended(state, uptime_s()):
                _clear_one(interface, folder)
                lines.append(f"cleared {interface}: its lease has ended")
            else:
                folder.write(interface, state)
    return "\n".join(lines)
