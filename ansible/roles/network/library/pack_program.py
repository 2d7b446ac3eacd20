#!/usr/bin/python
"""Pack the program that shapes links into one file that Python runs.

It runs on the machine that runs the playbooks. One file is one copy to a device; a folder costs two round
trips a file. The same sources always make the same bytes, so a second copy changes nothing.
"""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

# The earliest date in a zip: the files' own dates would make different bytes from the same sources.
EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(package: Path) -> bytes:
    """Zip the package, with its own `__main__` as the entry point."""
    files = {f"{package.name}/{file.name}": file.read_bytes() for file in sorted(package.glob("*.py"))}
    entry = f"import runpy\n\nrunpy.run_module({package.name!r}, run_name='__main__')\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {"__main__.py": entry.encode(), **files}.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def main() -> None:
    """Run the module. It changes nothing in the lab, so `changed` is always false."""
    specification = {"src": {"type": "path", "required": True}, "dest": {"type": "path", "required": True}}
    module = AnsibleModule(argument_spec=specification, supports_check_mode=True)
    dest = Path(module.params["dest"])
    # Another playbook may be reading the file, so replace it atomically.
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
