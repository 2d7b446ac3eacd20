"""A trial's course: its offered load, and whether its estimate settled."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

__all__ = ["Attempt", "Course"]


@dataclass(frozen=True)
class Attempt:
    """One rate of a search: requests per second, latency quantile (None: overloaded), bound kept or not."""

    rate_per_s: float
    latency_s: float | None
    kept: bool


@dataclass(frozen=True)
class Course:
    """A trial's course.

    Attributes:
        windows: The number of windows, of which the last three are the trial.
        stable: Whether these agree; None where the experiment does not ask for it.
        overloaded: Whether requests came faster than results; then the trial has no percentiles.
        rate_per_s: Offered requests per second; None in a closed loop.
        seed: The seed of the requests' times; None in a closed loop.
        attempts: Every rate of a search for the highest rate, in order.
        bound_kept: Whether any of them kept the bound; None without a search.
        jitter_seeds: The seed of each emulated jitter, by sender and receiver (`pi -> server`). A pipeline's
            later trials continue the draws of its first.
    """

    windows: int = 1
    stable: bool | None = None
    overloaded: bool = False
    rate_per_s: float | None = None
    seed: int | None = None
    attempts: tuple[Attempt, ...] = ()
    bound_kept: bool | None = None
    jitter_seeds: Mapping[str, int] = field(default_factory=dict)

    def as_plain(self) -> dict[str, Any]:
        """Its stored form."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `as_plain`."""
        attempts = tuple(Attempt(**attempt) for attempt in plain.get("attempts", ()))
        return cls(**{**plain, "attempts": attempts})
