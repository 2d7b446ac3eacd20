"""``python -m exporter COMMAND``."""

import sys

from exporter.cli import main

sys.exit(main())
