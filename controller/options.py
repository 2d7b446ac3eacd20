"""Options and arguments that several commands share, and commands whose options are a dataclass."""

import functools
from collections.abc import Callable
from dataclasses import MISSING, fields
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar, get_type_hints

import typer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "DEVICE_PROFILES",
    "LAB",
    "NETWORKS",
    "AsJson",
    "Batch",
    "BundleFolder",
    "DeviceProfiles",
    "Devices",
    "LabFile",
    "NetworksFile",
    "ProgressFile",
    "Threads",
    "takes",
]

Options = TypeVar("Options", bound="DataclassInstance")

LAB: Final = Path(".edgecut/local.json")
NETWORKS: Final = Path(__file__).parents[1] / "ansible" / "networks.yml"
"""The networks that come with edgecut."""

DEVICE_PROFILES: Final = Path("profiles")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Batch = Annotated[int, typer.Option(min=1, help="Samples in a request.")]
BundleFolder = Annotated[Path, typer.Argument(help="Bundle that `edgecut export` wrote.")]
DeviceProfiles = Annotated[Path, typer.Option("--device-profiles", help="Folder of device profiles.")]
Devices = Annotated[
    str | None, typer.Option(help="Chain of devices, as in pi,server. Default: the whole lab.")
]
LabFile = Annotated[
    Path, typer.Option("--lab", envvar="EDGECUT_LAB", help="Lab file that `edgecut deploy` wrote.")
]
NetworksFile = Annotated[
    Path,
    typer.Option("--networks", help="Networks file.", show_default="ansible/networks.yml, edgecut's own"),
]
ProgressFile = Annotated[
    Path | None, typer.Option("--progress", help="Also append progress to this file, line by line.")
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="ONNX Runtime threads per stage. Default: from the inventory."),
]


def takes(kind: type[Options]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Decorate a function of one dataclass as a command with an option, or argument, for each field.

    Args:
        kind: The dataclass; the fields' annotations and defaults are those of typer's parameters.
    """
    hints = get_type_hints(kind, include_extras=True)
    parameters = [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(kind)
    ]

    def command(run: Callable[[Options], None]) -> Callable[..., None]:
        @functools.wraps(run)
        def from_fields(**values: Any) -> None:
            run(kind(**values))

        from_fields.__annotations__ = hints
        from_fields.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # typer reads it
        return from_fields

    return command
