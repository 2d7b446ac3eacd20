"""What a field of a row may be: bounds of numbers, and what JSON and text must be like."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta

from controller.results.encoding import LIKE

__all__ = [
    "CLOCK_S",
    "Count",
    "Duration",
    "Error",
    "Figure",
    "Figures",
    "LONGEST_S",
    "Moment",
    "NotNegative",
    "Number",
    "Positive",
    "Seconds",
    "Share",
    "Whole",
]

LONGEST_S: Final = 1e9
"""No time of a results file is longer, nor any device's clock further."""

CLOCK_S: Final = 1e-6
"""The largest difference between sums of times, which are stored rounded."""

_MOST: Final = 1 << 53
Count = Annotated[int, Meta(ge=0, le=_MOST)]
Number = Annotated[int, Meta(ge=1, le=_MOST)]
Whole = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
Figure = Annotated[float, Meta(ge=-1e15, le=1e15)]
NotNegative = Annotated[float, Meta(ge=0, le=1e15)]
Positive = Annotated[float, Meta(gt=0, le=1e15)]
Error = Annotated[float, Meta(ge=0)]
"""Infinite where a result is not a number."""
Seconds = Annotated[float, Meta(ge=0, le=LONGEST_S)]
Duration = Annotated[float, Meta(gt=0, le=LONGEST_S)]
Share = Annotated[float, Meta(ge=0, le=1)]
Figures = Annotated[Mapping[str, Any], Meta(extra={LIKE: Mapping[str, Whole | Figure | bool | None]})]
Moment = Annotated[str, Meta(extra={LIKE: Annotated[datetime, Meta(tz=True)]})]
"""A time of day with its offset, which readers subtract from others."""
