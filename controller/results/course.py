"""How a trial went: what was offered, and whether its estimate settled."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

__all__ = ["Attempt", "Course"]


@dataclass(frozen=True)
class Attempt:
    """One rate of a search: requests a second, the quantile of latency (None: overloaded), was it kept."""

    rate_per_s: float
    latency_s: float | None
    kept: bool


@dataclass(frozen=True)
class Course:
    """How a trial went.

    Attributes:
        windows: How many windows it took; the last three are the trial.
        stable: Whether these agree; None where nobody asked.
        overloaded: Requests came faster than results: the trial has no percentiles.
        rate_per_s: Requests a second that were offered; None in a closed loop.
        seed: Of the times at which they were due; None in a closed loop.
        attempts: Where the highest rate was looked for: every rate tried, in order.
        bound_kept: Whether any of them kept the bound; None where none was looked for.
    """

    windows: int = 1
    stable: bool | None = None
    overloaded: bool = False
    rate_per_s: float | None = None
    seed: int | None = None
    attempts: tuple[Attempt, ...] = ()
    bound_kept: bool | None = None

    def as_plain(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `as_plain`."""
        attempts = tuple(Attempt(**attempt) for attempt in plain.get("attempts", ()))
        return cls(**{**plain, "attempts": attempts})
