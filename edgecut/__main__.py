"""`python -m edgecut COMMAND`, the same as `edgecut COMMAND`."""

import sys

from edgecut.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
