"""`--time-budget`: how long a sweep may measure."""

import re
import time
from dataclasses import dataclass, field

from controller.errors import ExperimentError

__all__ = ["TimeBudget", "parse_duration"]

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


def parse_duration(text: str) -> float:
    """Seconds of a duration such as 20m, 90s or 1h30m.

    Raises:
        ExperimentError: It is none, or nothing.
    """
    match = _DURATION.fullmatch(text.strip())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0.0, 0.0, 0.0)
    total_s = hours * 3600 + minutes * 60 + seconds
    if not total_s:
        raise ExperimentError(
            f"--time-budget {text}: write hours, minutes or seconds, as in 1h30m, 20m or 90s"
        )
    return total_s


@dataclass
class TimeBudget:
    """Seconds that are being spent, on one network after the other in equal parts of what is left."""

    seconds: float
    _began_s: float = field(default_factory=time.monotonic)
    _until_s: float = field(default=0.0, init=False)

    @property
    def left_s(self) -> float:
        """Of the part that was begun last."""
        return self._until_s - time.monotonic()

    def begin_part(self, parts: int) -> None:
        """Go over to the next part, of so many that are left."""
        rest_s = self._began_s + self.seconds - time.monotonic()
        self._until_s = time.monotonic() + rest_s / parts
