"""A kind of device, and the options with which pip on another machine fetches its wheels."""

import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import FetchError, ProjectError

__all__ = ["PIP", "TORCH_INDEX", "Target", "base_requirements"]

# Devices run pip from its wheel: none needs ensurepip, and all have the same version.
PIP = "pip==26.3"

TORCH_INDEX = "https://download.pytorch.org/whl/cpu"
_TORCH_EXTRA = "torch_rpc"

# The newest glibc that wheels may require, 2.28, is older than that of every supported system.
_NEWEST_GLIBC = 28
_OLDEST_GLIBC = {"aarch64": 17, "x86_64": 5}
_LEGACY = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


@dataclass(frozen=True)
class Target:
    """Devices that take the same wheels.

    Attributes:
        architecture: The kernel's name: `aarch64`, `x86_64`.
        python: Version, such as `3.11`.
        provider: ONNX Runtime's: `cpu`, `cuda`.
        extras: Extras of edgecut's pyproject.toml: `codecs`, `torch_rpc`.
    """

    architecture: str
    python: str
    provider: str
    extras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.architecture not in _OLDEST_GLIBC:
            raise FetchError(
                f"no wheels for architecture {self.architecture}: numpy and onnxruntime are built for "
                f"{' and '.join(_OLDEST_GLIBC)}; a Raspberry Pi needs the 64-bit system"
            )
        if not re.fullmatch(r"3\.\d+", self.python):
            raise FetchError(f"{self.python!r} is not a Python version such as 3.11")

    @property
    def name(self) -> str:
        """Part of file names."""
        return "+".join([f"{self.architecture}-python{self.python}-{self.provider}", *self.extras])

    def __str__(self) -> str:
        extras = f", extras {', '.join(self.extras)}" if self.extras else ""
        return f"architecture {self.architecture}, Python {self.python}, provider {self.provider}{extras}"

    def pip_options(self) -> list[str]:
        """Options with which pip chooses wheels for this device, not for its own machine."""
        options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        options += [f"--abi={abi}" for abi in (f"cp{self.python.replace('.', '')}", "abi3", "none")]
        options += [f"--platform={tag}_{self.architecture}" for tag in self._tags()]
        return options + self.index_options()

    def index_options(self) -> list[str]:
        """The index of PyTorch without CUDA, if needed; the default index lacks that build."""
        if self.provider != "cpu" or _TORCH_EXTRA not in self.extras:
            return []
        return [f"--extra-index-url={os.environ.get('TORCH_INDEX') or TORCH_INDEX}"]

    def _tags(self) -> Iterable[str]:
        for minor in range(_NEWEST_GLIBC, _OLDEST_GLIBC[self.architecture] - 1, -1):
            yield f"manylinux_2_{minor}"
            if minor in _LEGACY:
                yield _LEGACY[minor]

    def requirements(self, base: Iterable[str]) -> list[str]:
        """The base requirements, with the builds of ONNX Runtime and PyTorch for this provider."""
        return [self._with_provider(requirement) for requirement in base]

    def _with_provider(self, requirement: str) -> str:
        name, version = requirement.split("==")
        if self.provider == "cuda" and name == "onnxruntime":
            return f"onnxruntime-gpu[cuda,cudnn]=={version}"
        if self.provider == "cpu" and name == "torch":
            # The default index has the CUDA build: gigabytes that a Pi cannot use.
            return f"torch=={version}+cpu"
        return requirement


def base_requirements(root: Path, extras: Sequence[str] = ()) -> list[str]:
    """The requirements of a device, as pinned in edgecut's pyproject.toml.

    Args:
        root: Folder of edgecut.
        extras: Optional dependencies to include.

    Raises:
        ProjectError: The file or an extra does not exist, or a requirement is not pinned.
    """
    path = root / "pyproject.toml"
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        requirements: list[str] = list(project["dependencies"])
        optional: dict[str, list[str]] = project.get("optional-dependencies", {})
    except (OSError, tomllib.TOMLDecodeError, KeyError) as error:
        raise ProjectError(f"{path} cannot be read: {error!r}") from error
    for extra in extras:
        if extra not in optional:
            raise ProjectError(f"{path} has no extra {extra!r}; it has {', '.join(optional)}")
        requirements += [one for one in optional[extra] if one not in requirements]
    for requirement in requirements:
        if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][\w.]*", requirement):
            raise ProjectError(f"{path}: dependency {requirement!r} is not pinned as name==version")
    return requirements
