#!/usr/bin/python
"""Install missing Debian packages, and later purge exactly those that it installed.

It records packages and their dependencies before it installs them, so that an interrupted run can be undone
too. If nothing is missing it does not run apt, and so needs no package source.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    # How to undo each package: "purge", or "remove" if its settings existed before.
    Record = dict[str, str]

# Keep no downloads in /var/cache, and wait for another apt (unattended upgrades).
APT = ["apt-get", "--yes", "--quiet", "-oDPkg::Lock::Timeout=300"]
APT += ["-oAPT::Keep-Downloaded-Packages=false", "-oDpkg::Options::=--force-confold"]
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "NEEDRESTART_MODE": "l"}


class ProvisionError(Exception):
    """A problem, with a one-line message."""


def read_states(listing: str) -> dict[str, str]:
    """Read the state of each package ("installed", "config-files", ...) from `dpkg-query --show`."""
    lines = (line.split() for line in listing.splitlines())
    return {words[1]: words[0] for words in lines if len(words) == 2}


def read_plan(printed: str) -> tuple[list[str], list[str]]:
    """Read the packages that apt would add and those that it would remove from `apt-get --simulate`."""
    # An upgrade has the old version in brackets after the name, so the pattern skips it.
    new = re.findall(r"^Inst (\S+) \(", printed, re.MULTILINE)
    gone = re.findall(r"^(?:Remv|Purg) (\S+)", printed, re.MULTILINE)
    return [name.partition(":")[0] for name in new], [name.partition(":")[0] for name in gone]


def read_record(path: Path) -> Record:
    """Read the packages that were installed before."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {name: way for way, _, name in (line.partition(" ") for line in text.splitlines())}


def write_record(path: Path, record: Record) -> None:
    """Replace the record atomically and sync it to the disk: the power may fail during the installation."""
    text = "".join(f"{way} {name}\n" for name, way in sorted(record.items()))
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def reason(complaints: str) -> str:
    """The most telling line of the errors of apt and dpkg."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("dpkg: error", "E: "))]
    return [*telling, *lines[-1:], "no reason given"][0]


class Packages:
    """The packages of this host, and the record of those that edgecut installed."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._record = Path(module.params["record"])

    def _run(self, *command: str) -> tuple[int, str, str]:
        code, printed, complaints = self._module.run_command(list(command), environ_update=QUIET)
        return code, printed, complaints

    def _states(self) -> dict[str, str]:
        return read_states(self._run("dpkg-query", "--show", "-f", "${db:Status-Status} ${Package}\n")[1])

    def install(self, names: Sequence[str]) -> list[str]:
        """Install the missing packages; returns them with their dependencies.

        Raises:
            ProvisionError: apt does not have them, would remove others, or fails.
        """
        states = self._states()
        missing = [name for name in names if states.get(name) != "installed"]
        if not missing:
            return []
        record = read_record(self._record)
        if record and not self._module.check_mode:
            self._run("dpkg", "--configure", "-a")  # an earlier run may have been interrupted
        new = self._plan(missing)
        if self._module.check_mode:
            return new
        for name in new:
            record.setdefault(name, "remove" if states.get(name) == "config-files" else "purge")
        write_record(self._record, record)
        command = (*APT, "install", "--no-install-recommends", *missing)
        code, _, complaints = self._run(*command)
        if code:
            # The package lists may name versions that the source no longer has.
            self._run(*APT, "update")
            code, _, complaints = self._run(*command)
        if code:
            raise ProvisionError(self._failure(missing, complaints))
        return new

    def _plan(self, missing: Sequence[str]) -> list[str]:
        """The packages that apt would add."""
        command = (*APT, "--simulate", "install", "--no-install-recommends", *missing)
        code, printed, complaints = self._run(*command)
        if code and not self._module.check_mode:
            self._run(*APT, "update")
            code, printed, complaints = self._run(*command)
        if code:
            raise ProvisionError(self._failure(missing, complaints))
        new, gone = read_plan(printed)
        if gone:
            raise ProvisionError(
                f"installing {', '.join(missing)} would remove {', '.join(gone)}; "
                "if you want that, install them by hand"
            )
        return new

    def _failure(self, names: Sequence[str], complaints: str) -> str:
        return (
            f"cannot install {', '.join(names)} ({reason(complaints)}): give the device a reachable "
            "package source, or install them by hand"
        )

    def purge(self) -> list[str]:
        """Remove the installed packages and the record; returns the removed packages.

        Raises:
            ProvisionError: apt fails.
        """
        record = read_record(self._record)
        states = self._states()
        done = {"purge": ("not-installed",), "remove": ("not-installed", "config-files")}
        ours = {
            name: way for name, way in record.items() if states.get(name, "not-installed") not in done[way]
        }
        if ours:
            _, printed, _ = self._run(*APT, "--simulate", "remove", *ours)
            others = sorted(set(read_plan(printed)[1]) - set(ours))
            if others:
                self._module.warn(f"{', '.join(sorted(ours))} stay: {', '.join(others)}, newer, would go too")
                ours = {}
        if self._module.check_mode:
            return sorted(ours)
        for way in ("purge", "remove"):
            names = [name for name in ours if ours[name] == way]
            code, _, complaints = self._run(*APT, way, *names) if names else (0, "", "")
            if code:
                raise ProvisionError(f"cannot {way} {', '.join(names)} ({reason(complaints)})")
        if self._record.exists():
            self._record.unlink()
        return sorted(ours)


def main() -> None:
    """Run the module."""
    specification = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "names": {"type": "list", "elements": "str", "default": []},
        "record": {"type": "path", "required": True},
    }
    module = AnsibleModule(argument_spec=specification, supports_check_mode=True)
    packages = Packages(module)
    present = module.params["state"] == "present"
    try:
        which = packages.install(module.params["names"]) if present else packages.purge()
    except ProvisionError as error:
        module.fail_json(msg=str(error))
    listing = "".join(f"{name}\n" for name in which)
    diff = {"before": "" if present else listing, "after": listing if present else ""}
    module.exit_json(changed=bool(which), packages=which, diff=diff)


if __name__ == "__main__":
    main()
