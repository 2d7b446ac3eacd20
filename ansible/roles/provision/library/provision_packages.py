#!/usr/bin/python
"""Installs Debian packages that are missing, and later purges exactly those that it installed.

What will be installed, with all that comes along, is put on record before it is, so that a run that was cut
anywhere can be undone too. Where nothing is missing apt is not run at all: no package source is needed then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    # By name: how a package is to go again, "purge", or "remove" where its settings were there before.
    Record = dict[str, str]

# Downloaded packages would stay in /var/cache. Another apt (unattended upgrades) is waited for.
APT = [
    "apt-get",
    "--yes",
    "--quiet",
    "-o",
    "DPkg::Lock::Timeout=300",
    "-o",
    "APT::Keep-Downloaded-Packages=false",
]
APT += ["-o", "Dpkg::Options::=--force-confold"]
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C", "NEEDRESTART_MODE": "l"}


class ProvisionError(Exception):
    """One line that says what is wrong."""


def read_states(listing: str) -> dict[str, str]:
    """State of each package ("installed", "config-files", ...) from `dpkg-query --show`."""
    lines = (line.split() for line in listing.splitlines())
    return {words[1]: words[0] for words in lines if len(words) == 2}


def read_plan(printed: str) -> tuple[list[str], list[str]]:
    """Packages that apt would install anew and those that it would take away, from `apt-get --simulate`."""
    # An upgrade has the old version in brackets after the name.
    new = re.findall(r"^Inst (\S+) \(", printed, re.MULTILINE)
    gone = re.findall(r"^(?:Remv|Purg) (\S+)", printed, re.MULTILINE)
    return [name.partition(":")[0] for name in new], [name.partition(":")[0] for name in gone]


def read_record(path: Path) -> Record:
    """What was installed here before."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return {name: way for way, _, name in (line.partition(" ") for line in text.splitlines())}


def write_record(path: Path, record: Record) -> None:
    """Replace the record at once, and on the disk: the plug may be pulled in the middle of what follows."""
    text = "".join(f"{way} {name}\n" for name, way in sorted(record.items()))
    beside = path.with_suffix(".new")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def reason(complaints: str) -> str:
    """The line of what apt and dpkg complained of that says most."""
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("dpkg: error", "E: "))]
    return [*telling, *lines[-1:], "no reason given"][0]


class Packages:
    """The packages of this host, and the record of those that are ours."""

    def __init__(self, module: AnsibleModule) -> None:
        self._module = module
        self._record = Path(module.params["record"])

    def _run(self, *command: str) -> tuple[int, str, str]:
        code, printed, complaints = self._module.run_command(list(command), environ_update=QUIET)
        return code, printed, complaints

    def _states(self) -> dict[str, str]:
        return read_states(self._run("dpkg-query", "--show", "-f", "${db:Status-Status} ${Package}\n")[1])

    def install(self, names: Sequence[str]) -> list[str]:
        """Install those that are missing; returns all that is new with them.

        Raises:
            ProvisionError: apt does not have them, or would take others away, or fails.
        """
        states = self._states()
        missing = [name for name in names if states.get(name) != "installed"]
        if not missing:
            return []
        record = read_record(self._record)
        if record and not self._module.check_mode:
            self._run("dpkg", "--configure", "-a")  # a run before this one may have been cut in the middle
        new = self._plan(missing)
        if self._module.check_mode:
            return new
        for name in new:
            record.setdefault(name, "remove" if states.get(name) == "config-files" else "purge")
        write_record(self._record, record)
        command = (*APT, "install", "--no-install-recommends", *missing)
        code, _, complaints = self._run(*command)
        if code:
            # The lists may be older than the packages that the source still has.
            self._run(*APT, "update")
            code, _, complaints = self._run(*command)
        if code:
            raise ProvisionError(self._failure(missing, complaints))
        return new

    def _plan(self, missing: Sequence[str]) -> list[str]:
        """What would be new."""
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
                f"installing {', '.join(missing)} would remove {', '.join(gone)}: if you want that, do it"
            )
        return new

    def _failure(self, names: Sequence[str], complaints: str) -> str:
        return (
            f"cannot install {', '.join(names)} ({reason(complaints)}): give the device a package source "
            "that it reaches, or install them by hand"
        )

    def purge(self) -> list[str]:
        """Take away what was installed, and the record; returns what went.

        Raises:
            ProvisionError: apt fails.
        """
        record = read_record(self._record)
        states = self._states()
        there = {
            name: way for name, way in record.items() if states.get(name, "not-installed") != "not-installed"
        }
        there = {
            name: way for name, way in there.items() if (way, states[name]) != ("remove", "config-files")
        }
        if there:
            _, printed, _ = self._run(*APT, "--simulate", "remove", *there)
            others = sorted(set(read_plan(printed)[1]) - set(there))
            if others:
                self._module.warn(
                    f"{', '.join(sorted(there))} stay: {', '.join(others)}, newer, would go too"
                )
                there = {}
        if self._module.check_mode:
            return sorted(there)
        for way in ("purge", "remove"):
            names = [name for name in there if there[name] == way]
            code, _, complaints = self._run(*APT, way, *names) if names else (0, "", "")
            if code:
                raise ProvisionError(f"cannot {way} {', '.join(names)} ({reason(complaints)})")
        if self._record.exists():
            self._record.unlink()
        return sorted(there)


def main() -> None:
    """Answer Ansible."""
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
