"""A figure beside its truth, and how far it may be off."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["ALLOWED", "Compared", "Row", "exact", "name", "number", "pairs", "read_table", "share"]

ALLOWED: Final = 0.02
"""How far a figure of a closed loop may be off."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """A figure of a cell, reported and true.

    Attributes:
        error: Relative, of shares the difference; of names 0 or infinite, as of what is missing.
        allowed: How large it may be.
        disturbed: By how much more a busy machine explains, whatever else is known of it.
        per_late_s: By how much more one explains on which threads have their turn a second late on average.
        nullable: Whether it may be null on a busy machine, as `busy` where the time alone does not fit.
    """

    cell: str
    figure: str
    reported: float | str | None
    true: float | str
    error: float
    allowed: float = ALLOWED
    disturbed: float = 0.0
    per_late_s: float = 0.0
    nullable: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is as near to the truth as a figure must be."""
        return abs(self.error) <= self.allowed

    def holds_on(self, late_s: float) -> bool:
        """The same on a machine on which threads have their turn so late."""
        if self.nullable and self.reported in (None, ""):
            return self.per_late_s * late_s > 0
        return abs(self.error) <= self.allowed + self.disturbed + self.per_late_s * late_s


def number(
    cell: str,
    figure: str,
    reported: str | float | None,
    true: float,
    *,
    allowed: float = ALLOWED,
    disturbed: float = 0.0,
    per_late_s: float = 0.0,
    nullable: bool = False,
) -> Compared:
    """A figure whose error is relative; where the truth is 0, the error is the figure."""
    value = _parse(reported)
    error = math.inf if value is None else value / true - 1 if true else value
    return Compared(cell, figure, value, true, error, allowed, disturbed, per_late_s, nullable)


def share(
    cell: str,
    figure: str,
    reported: str | float | None,
    true: float,
    *,
    of: float = 1.0,
    allowed: float = ALLOWED,
    per_late_s: float = 0.0,
    nullable: bool = False,
) -> Compared:
    """A figure whose error is the difference, as a share of something."""
    value = _parse(reported)
    error = math.inf if value is None else (value - true) / of
    return Compared(cell, figure, value, true, error, allowed, per_late_s=per_late_s, nullable=nullable)


def exact(cell: str, figure: str, reported: str | float | None, true: float) -> Compared:
    """A figure that nothing may disturb."""
    return number(cell, figure, reported, true, allowed=1e-6)


def name(
    cell: str,
    figure: str,
    reported: str | None,
    true: str,
    *,
    per_late_s: float = 0.0,
    nullable: bool = False,
) -> Compared:
    """A figure that is a name."""
    error = 0.0 if reported == true else math.inf
    return Compared(cell, figure, reported, true, error, per_late_s=per_late_s, nullable=nullable)


def pairs(text: str | None) -> dict[str, str]:
    """A list as tables have it: `pi=0.5;server=0.7`."""
    return dict(part.split("=") for part in (text or "").split(";") if part)


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _parse(value: str | float | None) -> float | None:
    return None if value in (None, "") else float(value)
