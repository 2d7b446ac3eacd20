"""Filters that collect the problems of all devices in one table."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, str]

COLUMNS = {"device": "device", "check": "check", "what": "what is wrong", "do": "what to do"}
TEXT_WIDTH = 46

# Parts of ssh's messages, and their remedies.
SSH_ADVICE = {
    "Permission denied": "its user (ansible_user) or key is wrong: try `ssh USER@ADDRESS`, then ssh-copy-id",
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "if you know why its host key changed: ssh-keygen -R ADDRESS",
    "Host key verification failed": "its host key is not known: `ssh USER@ADDRESS` once by hand, compare it",
    "timed out": "is it on, and in this network? try `ping`",
    "No route to host": "is it on, and in this network? try `ping`",
    "Connection refused": "no SSH server answers there: is SSH enabled on it?",
    "Could not resolve hostname": "set ansible_host to its address",
}
BECOME_ADVICE = (
    "let its user use sudo, and give the password: --ask-become-pass (-K), or ansible_become_password"
)


def findings(results: Mapping[str, Mapping[str, Any]], of_inventory: Sequence[Row]) -> list[dict[str, str]]:
    """Collect all problems as rows: in the inventory, on a device, or with its connection.

    A problem of several devices is one row.

    Args:
        results: Results or failures of the module `preflight`, by device.
        of_inventory: Rows of `preflight_lab`.
    """
    rows = [dict(row) for row in of_inventory]
    for device, result in results.items():
        if "problems" in result:
            rows += [{"device": device, **problem} for problem in result["problems"]]
        elif not result.get("skipped"):
            rows.append({"device": device, **_failure(result)})
    devices: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        devices.setdefault((row["check"], row["what"], row["do"]), []).append(row["device"])
    return [
        {"device": ", ".join(dict.fromkeys(those)), "check": check, "what": what, "do": do}
        for (check, what, do), those in devices.items()
    ]


def _failure(result: Mapping[str, Any]) -> dict[str, str]:
    """The row of a device that could not be checked."""
    lines = [line for text in ("msg", "module_stderr") for line in str(result.get(text) or "").splitlines()]
    text = "\n".join(lines)
    if result.get("unreachable"):
        for words, advice in SSH_ADVICE.items():
            if words in text:
                line = next(line for line in lines if words in line)
                what = re.split("(?:via|over) ssh: ", line)[-1].strip("@ ")
                return {"check": "ssh", "what": what, "do": advice}
        return {"check": "ssh", "what": _last(lines), "do": "try `ssh USER@ADDRESS` by hand"}
    if "sudo" in text or "become" in text.lower():
        return {"check": "become", "what": _last(lines), "do": BECOME_ADVICE}
    return {"check": "python", "what": _last(lines), "do": "it needs Python 3.8 or newer as /usr/bin/python3"}


def _last(lines: Sequence[str]) -> str:
    return next((line.strip() for line in reversed(lines) if line.strip()), "it does not answer")


def table(rows: Sequence[Row]) -> str:
    """Format rows under headings, with long texts wrapped."""
    headed = [COLUMNS, *rows]
    widths = {key: min(TEXT_WIDTH, max(len(row[key]) for row in headed)) for key in COLUMNS}
    lines = []
    for index, row in enumerate(headed):
        cells = [textwrap.wrap(row[key], widths[key]) or [""] for key in COLUMNS]
        for at in range(max(map(len, cells))):
            words = [cell[at] if at < len(cell) else "" for cell in cells]
            lines.append(
                "  ".join(word.ljust(width) for word, width in zip(words, widths.values(), strict=True))
            )
        if index == 0:
            lines.append("  ".join("-" * width for width in widths.values()))
    return "\n".join(line.rstrip() for line in lines)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by their names in playbooks."""
        return {"preflight_findings": findings, "preflight_table": table}
