"""Fetches wheels for another machine with pip, and turns its failures into one-line errors."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import FetchError
from .target import Target

__all__ = ["download"]

_OPTIONS = ("--disable-pip-version-check", "--no-input", "--quiet", "--retries=2")
_NO_NETWORK = re.compile(
    r"NewConnectionError|Max retries exceeded|ConnectTimeout|name resolution|Network is unreachable|"
    r"ProxyError|connection broken|Connection refused"
)


def download(target: Target, requirements: Sequence[str], folder: Path) -> None:
    """Fetch the wheels of these requirements and of their dependencies into `folder`.

    Raises:
        FetchError: pip failed; the message names the missing wheels and the kind of device.
    """
    done = _pip("download", "--dest", str(folder), *target.pip_options(), *requirements)
    if done.returncode == 0:
        return
    output = done.stderr + done.stdout
    if "No space left on device" in output:
        raise FetchError(f"{folder} cannot hold the wheels: the disk is full")
    if "No module named pip" in output:
        raise FetchError(f"{sys.executable} has no pip; install it: {sys.executable} -m ensurepip")
    if _NO_NETWORK.search(output):
        raise FetchError(
            f"the package index cannot be reached, and the wheels for {target} are not in the cache: "
            "connect this machine once, or deploy with -e wheels_online=true" + _which_index(target)
        )
    if "No matching distribution" in output or "ResolutionImpossible" in output:
        missing = [one for one in requirements if not _has_wheel(target, one)] or requirements
        raise FetchError(f"no wheels for {target}: {', '.join(missing)}{_which_index(target)}")
    lines = output.splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    raise FetchError(f"pip failed for {target}: {[*errors, *lines[-1:], 'no output'][0]}")


def _which_index(target: Target) -> str:
    """The index of PyTorch, if the target needs it, as an addition to a message."""
    indexes = [option.partition("=")[2] for option in target.index_options()]
    return f" (PyTorch comes from {indexes[0]}; TORCH_INDEX names another index)" if indexes else ""


def _has_wheel(target: Target, requirement: str) -> bool:
    """Whether the index has a wheel for this requirement alone."""
    done = _pip(
        # Without --no-user, a user's settings of pip may contradict the target.
        *("install", "--dry-run", "--no-deps", "--ignore-installed", "--no-user", "--target", "unused"),
        *target.pip_options(),
        requirement,
    )
    return done.returncode == 0


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *_OPTIONS],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
