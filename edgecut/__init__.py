"""edgecut: where should this network be cut, on these devices, over this network?

The command `edgecut` is in `edgecut.cli`; it calls the packages `exporter`, `controller` and `analysis`, and
the playbooks.
"""

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("edgecut")
except PackageNotFoundError:  # a copy of the sources that nothing has installed
    __version__ = "unknown"
