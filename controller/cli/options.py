"""Options and arguments that several commands share."""

from pathlib import Path
from typing import Annotated, Final

import typer

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
]

LAB: Final = Path(".edgecut/local.json")
NETWORKS: Final = Path("ansible/networks.yml")
DEVICE_PROFILES: Final = Path("profiles")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Batch = Annotated[int, typer.Option(min=1, help="Samples in a request.")]
BundleFolder = Annotated[Path, typer.Argument(help="Bundle, as `python -m exporter export` writes it.")]
DeviceProfiles = Annotated[Path, typer.Option("--device-profiles", help="Folder of device profiles.")]
Devices = Annotated[
    str | None, typer.Option(help="Chain of devices, as in pi,server. Default: the whole lab.")
]
LabFile = Annotated[
    Path, typer.Option("--lab", envvar="EDGECUT_LAB", help="Lab file, as ansible/deploy.yml writes it.")
]
NetworksFile = Annotated[Path, typer.Option("--networks", help="File of networks.")]
ProgressFile = Annotated[
    Path | None, typer.Option("--progress", help="Append progress to this file too, as lines.")
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="ONNX Runtime threads of a stage. Default: as the inventory says."),
]
