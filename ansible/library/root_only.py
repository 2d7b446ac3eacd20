#!/usr/bin/python
"""Check that only root may change folders, before root acts in them.

Otherwise another user could replace what is in them by links, or forge the records that root believes.
"""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from ansible.module_utils.basic import AnsibleModule

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_LINKS = 40  # as the kernel: a path with more leads in circles


def changeable_part(path: Path) -> Path | None:
    """The first part of a path, or of a link on it, that exists and that others than root may change."""
    here, pending, links = Path("/"), list(path.parts[1:]), 0
    while pending:
        name = pending.pop(0)
        part = here.parent if name == ".." else here / name
        try:
            status = part.lstat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if may_be_changed(status):
            return part
        if not stat.S_ISLNK(status.st_mode):
            here = part
            continue
        links += 1
        if links > MOST_LINKS:
            return part
        target = Path(os.readlink(part))
        here = Path("/") if target.is_absolute() else here
        pending = [*target.parts[target.is_absolute() :], *pending]
    return None


def may_be_changed(status: os.stat_result) -> bool:
    """Whether another user than root may change this file or folder; a link's mode means nothing."""
    others = 0 if stat.S_ISLNK(status.st_mode) else stat.S_IWGRP | stat.S_IWOTH
    return status.st_uid != 0 or bool(status.st_mode & others)


def files_in(folder: Path) -> Iterator[Path]:
    """All that is in a folder, and below it."""
    for entry in sorted(folder.glob("*")):
        yield entry
        if entry.is_dir() and not entry.is_symlink():
            yield from files_in(entry)


def forged_file(folder: Path) -> Path | None:
    """The first entry below a folder that root alone did not make: another user's, a link, or a hard link."""
    for entry in files_in(folder):
        status = entry.lstat()
        linked = stat.S_ISLNK(status.st_mode) or (stat.S_ISREG(status.st_mode) and status.st_nlink > 1)
        if linked or may_be_changed(status):
            return entry
    return None


def user_name(uid: int) -> str:
    """The name of a user, or the number without one."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def problem(path: Path) -> str:
    """Say what is wrong with a file or folder, and what to do."""
    status = path.lstat()
    if status.st_uid:
        what = f"belongs to {user_name(status.st_uid)}"
    elif may_be_changed(status):
        what = "may be changed by others than root"
    else:
        what = "is a link"
    return (
        f"{path} {what}, and root works only where no other user can change anything: look at what is in it, "
        "then remove it, or give it to root alone (chown root:root, chmod go-w)"
    )


def main() -> None:
    """Run the module."""
    specification = {
        "name": {"type": "str", "required": True},
        "paths": {"type": "list", "elements": "path", "required": True},
        "files": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec=specification, supports_check_mode=True)
    for path in map(Path, module.params["paths"]):
        bad = changeable_part(path) or (forged_file(path) if module.params["files"] else None)
        if bad is not None:
            module.fail_json(msg=f"{module.params['name']}: {problem(bad)}")
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
