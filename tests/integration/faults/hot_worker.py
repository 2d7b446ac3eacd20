"""`python hot_worker.py FOLDER serve ...`: a worker whose temperature and flags are those of a made-up /sys.

FOLDER/thermal_zone0/temp and FOLDER/get_throttled stand for what a Raspberry Pi's kernel tells.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from worker.__main__ import main
from worker.host import device

if __name__ == "__main__":
    device._THERMAL = Path(sys.argv[1])  # type: ignore[misc]
    device._THROTTLED = Path(sys.argv[1]) / "get_throttled"  # type: ignore[misc]
    sys.exit(main(sys.argv[2:]))
