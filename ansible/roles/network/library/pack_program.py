#!/usr/bin/python
"""Packs the program that shapes links into one file that Python runs.

Ansible runs this on the machine that runs the playbooks. One file is one copy to a device, where a folder is
two round trips a file; and the same sources always make the same bytes, so a second copy changes nothing.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

# The earliest date that a zip can carry: a file's own would make other bytes of the same sources.
EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(package: Path) -> bytes:
    """The package as a zip whose entry point is the package's own `__main__`."""
    files = {f"{package.name}/{file.name}": file.read_bytes() for file in sorted(package.glob("*.py"))}
    entry = f"import runpy\n\nrunpy.run_module({package.name!r}, run_name='__main__')\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"__main__.py": entry.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def main() -> None:
    """Answer Ansible. Nothing of the lab changes by this, so `changed` is never true."""
    specification = {"src": {"type": "path", "required": True}, "dest": {"type": "path", "required": True}}
    module = AnsibleModule(argument_spec=specification, supports_check_mode=True)
    dest = Path(module.params["dest"])
    # Another playbook may be reading it, so it is replaced whole.
    partial = dest.with_name(f"{dest.name}.{os.getpid()}")
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(pack(Path(module.params["src"])))
        partial.replace(dest)
    except OSError as error:
        module.fail_json(msg=f"{dest}: {error.strerror}")
    module.exit_json(changed=False, path=str(dest))


if __name__ == "__main__":
    main()
