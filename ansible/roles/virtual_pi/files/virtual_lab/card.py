"""A Pi's card: a copy of the base root with the Pi's name, address and keys, written without root."""

import uuid
from pathlib import Path

from .access import make_key
from .commands import run
from .device import HOST_KEY
from .errors import VirtualLabError
from .network import CONTROLLER_ADDRESS, PREFIX_LENGTH

__all__ = ["CARD", "write_card"]

CARD = "card.ext4"
_PI_USER_ID = 1000


def write_card(folder: Path, *, name: str, address: str, base_root: Path, authorized_key: Path) -> None:
    """Write a Pi's card and host key to the Pi's folder.

    Raises:
        VirtualLabError: A step failed; no card exists then.
    """
    partial = folder / "card.partial"
    run(["cp", "--sparse=always", "--reflink=auto", base_root, partial])
    make_key(folder / HOST_KEY, name)
    key, public_key = (folder / HOST_KEY).read_text(), (folder / f"{HOST_KEY}.pub").read_text()
    interface = f"auto vec0\niface vec0 inet static\n    address {address}/{PREFIX_LENGTH}\n"
    hosts = f"127.0.0.1 localhost\n{address} {name}\n{CONTROLLER_ADDRESS} controller\n"
    _write_files(
        partial,
        [
            ("/etc/hostname", 0o644, 0, f"{name}\n"),
            ("/etc/hosts", 0o644, 0, hosts),
            ("/etc/machine-id", 0o444, 0, f"{uuid.uuid4().hex}\n"),
            ("/etc/network/interfaces.d/vec0", 0o644, 0, interface),
            (f"/etc/ssh/{HOST_KEY}", 0o600, 0, key),
            (f"/etc/ssh/{HOST_KEY}.pub", 0o644, 0, public_key),
            ("/home/pi/.ssh/authorized_keys", 0o600, _PI_USER_ID, authorized_key.read_text()),
        ],
    )
    partial.rename(folder / CARD)


def _write_files(image: Path, files: list[tuple[str, int, int, str]]) -> None:
    """Write files (path, mode, owner, content) into the file system of an image."""
    source, commands = image.with_name("content"), image.with_name("commands")
    try:
        for path, mode, owner, content in files:
            # debugfs knows no shell quoting, so it gets names without spaces, relative to its folder.
            source.write_text(content, encoding="utf-8")
            source.chmod(0o600)
            lines = [f"rm {path}", f"write {source.name} {path}"]
            for field, value in (("mode", f"0{0o100000 | mode:o}"), ("uid", owner), ("gid", owner)):
                lines.append(f"set_inode_field {path} {field} {value}")
            commands.write_text("\n".join(lines), encoding="ascii")
            run(["debugfs", "-w", "-f", commands.name, image.name], cwd=image.parent)
            # debugfs exits with 0 even if a command failed.
            if run(["debugfs", "-R", f"cat {path}", image.name], cwd=image.parent) != content:
                raise VirtualLabError(f"{path} cannot be written to {image}; is the disk full?")
    finally:
        source.unlink(missing_ok=True)
        commands.unlink(missing_ok=True)
