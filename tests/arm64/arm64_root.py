"""A Debian for arm64 in a folder, whose programs run here under qemu's emulation.

The unpacked system is made once and kept in the cache as a tar file; a test gets a copy. Mounts are
made in a mount namespace of each command's own, so none outlives it.
"""

import hashlib
import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["Arm64Root", "emulation"]

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
# Without python3-venv: environments are made without pip here, and its certificates alone take minutes.
_RECIPE = ("--arch=arm64", "--variant=minbase", "--include=python3", "--format=tar", "bookworm")
_INSIDE = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && exec "$@"'


@contextmanager
def emulation() -> Iterator[None]:
    """Let the kernel run arm64 programs; afterwards it is as it was."""
    mounted = not (_BINFMT / "status").exists()
    if mounted:
        subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", _BINFMT], check=True)
    enabled = not (_BINFMT / "qemu-aarch64").exists()
    if enabled:
        subprocess.run(["update-binfmts", "--enable", "qemu-aarch64"], check=True)
    try:
        yield
    finally:
        if enabled:
            subprocess.run(["update-binfmts", "--disable", "qemu-aarch64"], check=True)
        if mounted:
            subprocess.run(["umount", _BINFMT], check=True)


class Arm64Root:
    """One copy of the system, in a folder that is the test's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with tarfile.open(_cached()) as archive:
            archive.extractall(folder, filter="tar")

    def within(self, command: Sequence[str | Path]) -> list[str]:
        """A command of this machine that sees the system with its /proc and /dev."""
        return ["unshare", "--mount", "sh", "-c", _INSIDE, str(self.folder), *map(str, command)]

    def inside(self, command: Sequence[str | Path]) -> list[str]:
        """A command of the system."""
        return self.within(["chroot", self.folder, *command])


def _cached() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    cache = Path(home) / "edgecut" / "arm64"
    path = cache / f"root-{hashlib.sha256(json.dumps(_RECIPE).encode()).hexdigest()[:16]}.tar"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        try:
            options, suite = _RECIPE[:-1], _RECIPE[-1]
            _run_whole(["mmdebstrap", "--quiet", *options, suite, partial])
            partial.rename(path)
        finally:
            partial.unlink(missing_ok=True)
        for former in cache.glob("root-*.tar"):
            if former != path:
                former.unlink()
    return path


def _run_whole(command: Sequence[str | Path]) -> None:
    """Run a command in a process group of its own, which ends with us and then removes what it made."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
    try:
        status = process.wait()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if status:
        raise subprocess.CalledProcessError(status, command)
