"""`python stepped_controller.py sweep ...`: the controller where the clock jumps an hour, to and fro."""

import itertools
import sys
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from controller.__main__ import main
from controller.results import provenance as stamp

_hours = itertools.cycle((0, 1, 0, -1))


class _Stepped(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_Stepped":
        shifted = datetime.now(tz) + timedelta(hours=next(_hours))
        return cls.fromtimestamp(shifted.timestamp(), tz)


if __name__ == "__main__":
    stamp.datetime = _Stepped  # type: ignore[attr-defined]
    sys.exit(main())
