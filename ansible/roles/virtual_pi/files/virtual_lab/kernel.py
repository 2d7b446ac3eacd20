"""The User-Mode Linux kernel that the virtual Pis boot: where it is, its modules, what it needs here.

Before version 6.13 it expects at most 2,696 bytes of extended processor state. A processor with AMX has
11,008, and there the first program in the Pi dies: the host refuses to set a part of the state. The library
made from `wide_xstate.c`, preloaded, completes it.
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
        version: What it says of itself, such as `6.1.176`.
        modules: The folder of its modules.
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
        """The environment to boot it in; compiles the shim into the cache where it is needed.

        Raises:
            VirtualLabError: It cannot be compiled.
        """
        environment = {"PATH": os.environ["PATH"]}
        if self.needs_shim:
            environment["LD_PRELOAD"] = str(_shim(cache))
        return environment


def find_kernel(cache: Path, deb: Path | None, also: Mapping[str, str] | None = None) -> Kernel:
    """The kernel of the package that is given, or is in the cache, or is installed.

    Args:
        cache: The folder that may hold Debian's package.
        deb: A package to use instead.
        also: Further commands that must exist, each with its package; a missing kernel is reported with them.

    Raises:
        HostError: There is none, or it does not run here.
    """
    lying = sorted(cache.glob("user-mode-linux_*_amd64.deb"))
    deb = deb or (lying[-1] if lying and not (_INSTALLED / _BINARY).exists() else None)
    root = _unpack(cache, deb) if deb else _INSTALLED
    binary = root / _BINARY
    if not binary.exists():
        # Its version is unknown yet; Debian 12's needs the compiler on these processors.
        needs_compiler = bool(_WIDE_STATE & processor_flags())
        missing = missing_packages(needs_compiler=needs_compiler, also=also)
        packages = " ".join(["user-mode-linux", *sorted(missing)])
        raise HostError(
            f"this machine has no User-Mode Linux; as root on Debian: apt install {packages}; Ubuntu lacks "
            f"that one: put Debian's, from packages.debian.org/bookworm/user-mode-linux, into {cache}, "
            "or name it with -e virtual_pi_uml_deb=FILE"
        )
    try:
        version = run([binary, "--version"]).strip()
    except (OSError, VirtualLabError) as error:
        raise HostError(
            f"{binary} does not run here; take the package of this release or an older one: {error}"
        ) from error
    if not re.fullmatch(r"\d+\.\d+\.\S+", version):
        raise HostError(f"{binary} does not tell its version, but {version!r}")
    modules = root / "usr/lib/uml/modules" / version
    if not modules.is_dir():
        raise HostError(f"{modules} is missing: install user-mode-linux again")
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
            raise HostError(f"{deb} has no {_BINARY}: give Debian's package user-mode-linux")
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
