"""The base root: the disk of a virtual Pi before its first boot, built once and kept in the cache.

`mmdebstrap` writes Debian into an image file, which needs no root to build or to boot.
The file's name contains the digest of the recipe; another recipe makes another image.
"""

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .kernel import Kernel
from .locking import locked

__all__ = ["BaseRoot"]

_CUSTOMIZE = Path(__file__).with_name("customize.sh")
_DISK_MB = 8192
_SCRATCH_BYTES = 2 * 2**30
_PACKAGES = (
    "ca-certificates",
    "dbus",
    "dbus-user-session",
    "ifupdown",
    "iproute2",
    "iputils-ping",
    "kmod",
    "libpam-systemd",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "sudo",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
)


@dataclass(frozen=True, kw_only=True)
class BaseRoot:
    """The base root of one Debian release for one kernel.

    Attributes:
        cache: Folder of the image.
        suite: Debian release, such as `bookworm`.
        kernel: Kernel that boots the image; the image contains its modules.
    """

    cache: Path
    suite: str
    kernel: Kernel

    @property
    def path(self) -> Path:
        """The image, built or not."""
        recipe = {
            "suite": self.suite,
            "packages": _PACKAGES,
            "customize": _CUSTOMIZE.read_text(encoding="utf-8"),
            "build": Path(__file__).read_text(encoding="utf-8"),
            "kernel": self.kernel.version,
        }
        digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:16]
        return self.cache / f"root-{self.suite}-{digest}.ext4"

    def build(self) -> bool:
        """Build the image unless it exists, and remove images of the release's former recipes.

        Returns:
            Whether it was built.

        Raises:
            VirtualLabError: A step failed; nothing is left behind.
        """
        with locked(self.cache / "lock"):
            if self.path.exists():
                return False
            partial = self.path.with_suffix(".partial")
            try:
                self._bootstrap(partial)
                self._widen(partial)
                partial.rename(self.path)
            finally:
                partial.unlink(missing_ok=True)
            for former in self.cache.glob(f"root-{self.suite}-*.ext4"):
                if former != self.path:
                    former.unlink()
        return True

    def _bootstrap(self, image: Path) -> None:
        modules = str(self.kernel.modules).replace("\\", "\\\\").replace("'", "'\\''")
        hooks = [
            'mkdir -p "$1/lib/modules"',
            f"copy-in '{modules}' /lib/modules",
            f'chroot "$1" depmod {self.kernel.version}',
            _CUSTOMIZE.read_text(encoding="utf-8"),
        ]
        run(
            [
                "mmdebstrap",
                "--variant=minbase",
                "--format=ext2",
                f"--include={','.join(_PACKAGES)}",
                *[f"--customize-hook={hook}" for hook in hooks],
                self.suite,
                image,
            ],
            env={**os.environ, **_scratch()},
        )

    @staticmethod
    def _widen(image: Path) -> None:
        """Make a full ext2 a roomy ext4, whose journal survives a pulled plug; the file is sparse."""
        features = "has_journal,extents,dir_index,filetype,large_file,uninit_bg,dir_nlink,extra_isize"
        run(["tune2fs", "-c", "0", "-i", "0", "-O", features, image])
        # 1: errors were corrected, including what the new features require.
        run(["e2fsck", "-f", "-y", "-D", image], accept=(0, 1))
        os.truncate(image, _DISK_MB * 2**20)
        run(["resize2fs", image])


def _scratch() -> dict[str, str]:
    """Unpack Debian in memory where it fits; a disk takes a minute longer."""
    shm = Path("/dev/shm")
    refused = os.ST_NODEV | os.ST_NOEXEC | os.ST_NOSUID
    fits = shutil.disk_usage(shm).free > _SCRATCH_BYTES and not os.statvfs(shm).f_flag & refused
    return {"TMPDIR": str(shm)} if fits and "TMPDIR" not in os.environ else {}
