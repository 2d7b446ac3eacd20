"""The exporter's command line, which sends itself a signal at the point of an export that a test names.

`main` takes SIGNAL AT ARGUMENT...: AT is the file of the bundle that is opened next, or `rename`, which makes
the finished folder the bundle.
"""

import os
import sys
from pathlib import Path

import exporter.export  # noqa: F401 - brings PyTorch, once for all forks of a `WarmCommand`
from exporter.cli import main as exporter_main

__all__ = ["main"]


def main() -> int:
    """Run it."""
    number, point = int(sys.argv[1]), sys.argv[2]

    def signal_at(event: str, arguments: tuple[object, ...]) -> None:
        is_there = event == "os.rename" if point == "rename" else event == "open"
        if (
            is_there
            and ".partial-" in str(arguments[0])
            and point in ("rename", Path(str(arguments[0])).name)
        ):
            os.kill(os.getpid(), number)

    sys.addaudithook(signal_at)
    return exporter_main(sys.argv[3:])
