"""The networks that come with edgecut."""

from pathlib import Path
from typing import Final

__all__ = ["NETWORKS_FILE"]

NETWORKS_FILE: Final = Path(__file__).resolve().parents[1] / "ansible" / "networks.yml"
