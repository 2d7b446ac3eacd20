"""The User-Mode Linux kernel that the virtual Pis boot: its place, its modules, and what it needs here.

Before version 6.13 it expects at most 2,696 bytes of extended processor state. A processor with AMX has
11,008, and the first program in the Pi dies: the host refuses to set a part of the state. The preloaded
library built from `wide_xstate.c` completes it.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .commands import run
from .errors import HostError, VirtualLabError
from .host import missing_packages, processor_flags

__all__ = ["Kernel", "find_kernel"]

_WIDE_STATE = frozenset({"amx_tile", "apx"})
_INSTALLED = Path("/")
_BINARY = "usr/bin/linux.uml"
_SHIM_SOURCE = Path(__file__).with_name("wide_xstate.c")


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A User-Mode Linux kernel.

    Attributes:
        binary: The program.
        version: Version that it reports, such as `6.1.176`.
        modules: Folder of its modules.
    """

    binary: Path
    version: str
    modules: Path

    @property
    def needs_shim(self) -> bool:
        """Whether this machine's processor has more state than the kernel expects."""
        major, minor = (int(number) for number in self.version.split(".")[:2])
        return (major, minor) < (6, 13) and bool(_WIDE_STATE & processor_flags())

    def environment(self, cache: Path) -> dict[str, str]:
        """The environment to boot it in; compiles the shim into the cache if the kernel needs it.

        Raises:
            VirtualLabError: The compiler failed.
        """
        environment = {"PATH": os.environ["PATH"]}
        if self.needs_shim:
            environment["LD_PRELOAD"] = str(_shim(cache))
        return environment


def find_kernel(cache: Path, deb: Path | None, also: Mapping[str, str] | None = None) -> Kernel:
    """Find the kernel: of the package `deb`, else the installed one, else of a package in the cache.

    Args:
        cache: Folder that may contain Debian's package.
        deb: Package to use instead.
        also: Further required commands, each with its package; reported together with a missing kernel.

    Raises:
        HostError: No kernel was found, or it does not run here.
    """
    packages = sorted(cache.glob("user-mode-linux_*_amd64.deb"))
    deb = deb or (packages[-1] if packages and not (_INSTALLED / _BINARY).exists() else None)
    root = _unpack(cache, deb) if deb else _INSTALLED
    binary = root / _BINARY
    if not binary.exists():
        # Debian 12's kernel, the likely one, needs the compiler on these processors.
        needs_compiler = bool(_WIDE_STATE & processor_flags())
        missing = missing_packages(needs_compiler=needs_compiler, also=also)
        names = " ".join(["user-mode-linux", *sorted(missing)])
        raise HostError(
            f"this machine has no User-Mode Linux; as root on Debian: apt install {names}; Ubuntu lacks "
            f"that package: put Debian's, from packages.debian.org/bookworm/user-mode-linux, into {cache}, "
            "or name it with -e virtual_pi_uml_deb=FILE"
        )
    try:
        version = run([binary, "--version"]).strip()
    except (OSError, VirtualLabError) as error:
        raise HostError(
            f"{binary} does not run here; use the package of this Debian release or an older one: {error}"
        ) from error
    if not re.fullmatch(r"\d+\.\d+\.\S+", version):
        raise HostError(f"{binary} reports {version!r} as its version; reinstall user-mode-linux")
    modules = root / "usr/lib/uml/modules" / version
    if not modules.is_dir():
        raise HostError(f"{modules} is missing: reinstall user-mode-linux")
    return Kernel(binary=binary, version=version, modules=modules)


def _unpack(cache: Path, deb: Path) -> Path:
    try:
        digest = hashlib.sha256(deb.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise HostError(f"{deb} cannot be read: {error.strerror}") from error
    folder = cache / f"uml-{digest}"
    if not folder.is_dir():
        partial = cache / f"uml-{digest}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        try:
            run(["dpkg-deb", "--extract", deb, partial])
        except (OSError, VirtualLabError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise HostError(f"{deb} cannot be unpacked: {error}") from error
        if not (partial / _BINARY).exists():
            shutil.rmtree(partial)
            raise HostError(f"{deb} contains no {_BINARY}; use Debian's package user-mode-linux")
        partial.rename(folder)
    return folder


def _shim(cache: Path) -> Path:
    digest = hashlib.sha256(_SHIM_SOURCE.read_bytes()).hexdigest()[:16]
    library = cache / f"wide_xstate-{digest}.so"
    if not library.exists():
        partial = cache / f"{library.name}.{os.getpid()}"
        run(["cc", "-O2", "-Wall", "-shared", "-fPIC", "-o", partial, _SHIM_SOURCE])
        partial.rename(library)
    return library
