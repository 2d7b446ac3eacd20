"""`python -m controller COMMAND`: drive the workers of a lab."""

import sys

try:
    from controller.cli.app import app, main
except KeyboardInterrupt:
    # At Ctrl-C while it starts there is nothing to say.
    sys.exit(130)

__all__ = ["app", "main"]

if __name__ == "__main__":
    sys.exit(main())
