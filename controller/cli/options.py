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
BundleFolder = Annotated[Path, typer.Argument(help="Bundle that `python -m exporter export` wrote.")]
DeviceProfiles = Annotated[Path, typer.Option("--device-profiles", help="Folder of device profiles.")]
Devices = Annotated[
    str | None, typer.Option(help="Chain of devices, as in pi,server. Default: the whole lab.")
]
LabFile = Annotated[
    Path, typer.Option("--lab", envvar="EDGECUT_LAB", help="Lab file that ansible/deploy.yml wrote.")
]
NetworksFile = Annotated[Path, typer.Option("--networks", help="Networks file.")]
ProgressFile = Annotated[
    Path | None, typer.Option("--progress", help="Also append progress to this file, line by line.")
]
Threads = Annotated[
    int | None,
    typer.Option(min=1, help="ONNX Runtime threads per stage. Default: from the inventory."),
]
