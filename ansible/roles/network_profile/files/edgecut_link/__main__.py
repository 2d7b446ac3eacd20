"""Run by its folder: `/usr/bin/python3 -I /opt/edgecut/edgecut_link COMMAND`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

# Python puts the folder that it is given on its path, but the package is found in the one above.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from edgecut_link.command_line import parse  # noqa: E402
from edgecut_link.commands import run  # noqa: E402
from edgecut_link.errors import LinkError  # noqa: E402


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code. Errors are one line."""
    try:
        said = run(parse(arguments))
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    if said:
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
