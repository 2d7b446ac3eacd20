"""What fronts and answers are made of: the figures by which one split may be better than another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from analysis.errors import ObjectiveError
from controller.results import Objective

__all__ = ["OBJECTIVES", "Meaning", "Objective", "check_objectives"]


@dataclass(frozen=True)
class Meaning:
    """What an objective is.

    Attributes:
        maximise: More of it is better.
        factor: From the stored unit to the one that is shown.
    """

    maximise: bool
    unit: str
    factor: float
    words: str


OBJECTIVES: Mapping[Objective, Meaning] = {
    "latency": Meaning(False, "ms", 1e3, "latency p50"),
    "throughput": Meaning(True, "samples/s", 1, "throughput"),
    "accuracy": Meaning(True, "", 1, "accuracy"),
    "payload": Meaning(False, "kB a sample", 1e-3, "payload on links"),
    "memory": Meaning(False, "MB", 1e-6, "memory of the fullest device"),
}
"""In the order of every table. Figures are seconds, samples a second, a share, bytes a sample, bytes."""


def check_objectives(text: str) -> tuple[Objective, ...]:
    """`payload,latency` -> ("payload", "latency"); nothing from an empty text: those of the experiment.

    Raises:
        ObjectiveError: One of them is none, or is named twice.
    """
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in get_args(Objective):
            raise ObjectiveError(
                f"--objectives {text}: no such objective {name!r}; have {', '.join(get_args(Objective))}"
            )
        if names.count(name) > 1:
            raise ObjectiveError(f"--objectives {text}: {name} is given twice")
    return tuple(sorted((name for name in OBJECTIVES if name in names), key=names.index))
