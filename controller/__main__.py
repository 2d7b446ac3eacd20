"""`python -m controller COMMAND`: drive the workers of a lab."""

import sys

from controller.cli.app import app, main

__all__ = ["app", "main"]

if __name__ == "__main__":
    sys.exit(main())
