"""Entry point of the packed program: `/usr/bin/python3 -I /opt/edgecut/edgecut-link.pyz COMMAND`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from edgecut_link.command_line import parse
from edgecut_link.commands import run
from edgecut_link.errors import LinkError


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code. An error is one line."""
    try:
        output = run(parse(arguments))
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    if output:
        print(output)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
