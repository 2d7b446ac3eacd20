"""The command `version`."""

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

import typer

from edgecut import __version__
from worker.terminal import show

__all__ = ["app"]

app = typer.Typer()

_PACKAGES = ("onnxruntime", "onnx", "torch", "ansible-core")


@app.command(name="version")
def show_version(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; null where a package is not installed.")
    ] = False,
) -> None:
    """Print the versions of edgecut, Python and the packages that results depend on."""
    versions: dict[str, str | None] = {"edgecut": __version__, "python": platform.python_version()}
    versions |= {name: _version_of(name) for name in _PACKAGES}
    if as_json:
        show(json.dumps(versions))
    else:
        show(*(f"{name} {number or 'not installed'}" for name, number in versions.items()))


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
