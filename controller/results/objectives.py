"""What a split may be best at, and what an experiment's answers are for by default."""

from typing import Final, Literal

__all__ = ["TIMED", "Objective"]

Objective = Literal["latency", "throughput", "accuracy", "payload", "memory"]

TIMED: Final[tuple[Objective, ...]] = ("latency", "throughput")
"""Times and rates, which move with whatever slows a device: an experiment's objectives by default."""
