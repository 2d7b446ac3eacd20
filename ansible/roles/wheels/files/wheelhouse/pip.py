"""pip, told to fetch for another machine; what it says is told again in one line."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .errors import FetchError
from .target import Target

__all__ = ["download"]

_NO_NETWORK = re.compile(
    r"NewConnectionError|Max retries exceeded|ConnectTimeout|name resolution|Network is unreachable|"
    r"ProxyError|connection broken|Connection refused"
)


def download(target: Target, requirements: Sequence[str], folder: Path) -> None:
    """Fetch the wheels of these requirements, and of what they need, into `folder`.

    Raises:
        FetchError: Names what is lacking, and for which kind of device.
    """
    done = _pip("download", "--dest", str(folder), *target.pip_options(), *requirements)
    if done.returncode == 0:
        return
    said = done.stderr + done.stdout
    if "No space left on device" in said:
        raise FetchError(f"{folder} cannot hold the wheels: the disk is full")
    if "No module named pip" in said:
        raise FetchError(f"{sys.executable} has no pip: install it there (python -m ensurepip)")
    if _NO_NETWORK.search(said):
        raise FetchError(
            f"the package index cannot be reached, and the wheels for {target} are not in the cache: "
            "connect this machine once, or deploy with -e wheels_online=true" + _which_index(target)
        )
    if "No matching distribution" in said or "ResolutionImpossible" in said:
        lacking = [one for one in requirements if not _is_there(target, one)]
        raise FetchError(
            f"no wheels for {target}: {', '.join(lacking or requirements)}{_which_index(target)}"
        )
    errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()[-1:]
    raise FetchError(f"pip failed for {target}: {errors[0] if errors else 'no output'}")


def _which_index(target: Target) -> str:
    """Where PyTorch was looked for, if it was."""
    given = [option.partition("=")[2] for option in target.index_options()]
    return f" (PyTorch comes from {given[0]}; TORCH_INDEX names another index)" if given else ""


def _is_there(target: Target, requirement: str) -> bool:
    """Whether the index has a wheel of this one, whatever it needs."""
    looked = _pip(
        *("install", "--dry-run", "--no-deps", "--ignore-installed", "--target", "unused"),
        *target.pip_options(),
        requirement,
    )
    return looked.returncode == 0


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(
                sys.executable,
                "-m",
                "pip",
                arguments[0],
                "--disable-pip-version-check",
                "--no-input",
                "--quiet",
            ),
            *("--retries", "2", *arguments[1:]),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
