"""A load as it stands in an experiment and in the results: when requests are due."""

import re
import zlib
from dataclasses import dataclass
from typing import Final, Literal

from controller.errors import ExperimentError
from controller.results import OFFLINE
from controller.results.metrics import SAMPLES_NEEDED
from worker.wire.messages import LoadSpec

__all__ = ["OFFLINE", "SINGLE", "Load", "check_requests", "parse_load", "seed_of"]

SINGLE: Final = "single"

_NUMBER: Final = r"(?:\d+(?:\.\d+)?|\.\d+)"
_AT_A_RATE: Final = re.compile(rf"(constant|poisson):({_NUMBER})/s")
_WITHIN: Final = re.compile(rf"(constant|poisson):(p50|p90|p95|p99)<=({_NUMBER})ms")

_HIGHEST_PER_S: Final = 1e7
_LONGEST_MS: Final = 1e9


@dataclass(frozen=True)
class Load:
    """When requests are due.

    Attributes:
        kind: `closed` for `offline` and `single`.
        rate_per_s: requests a second; None in a closed loop, and where the highest is looked for.
        quantile: of latency, which the highest rate must keep below `bound_s`; None where none is looked for.
    """

    kind: Literal["closed", "constant", "poisson"] = "closed"
    rate_per_s: float | None = None
    quantile: str | None = None
    bound_s: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests come at a rate, independent of results."""
        return self.kind != "closed"

    def spec(self, rate_per_s: float, seed: int) -> LoadSpec:
        """The load as a source gets it."""
        return LoadSpec(kind=self.kind, rate_per_s=rate_per_s, seed=seed)


def parse_load(text: str) -> Load:
    """A load from its one way of being written.

    Raises:
        ExperimentError: No such load, or a rate or bound of zero.
    """
    if text in (OFFLINE, SINGLE):
        return Load()
    if match := _AT_A_RATE.fullmatch(text):
        rate_per_s = float(match[2])
        if not 0 < rate_per_s <= _HIGHEST_PER_S:
            raise ExperimentError(
                f"key 'loads': {text[:80]!r} has rate {rate_per_s:g}; "
                f"it must be above 0 requests/s and at most {_HIGHEST_PER_S:g}"
            )
        return Load(kind=_kind(match[1]), rate_per_s=rate_per_s)
    if match := _WITHIN.fullmatch(text):
        if not 0 < float(match[3]) <= _LONGEST_MS:
            raise ExperimentError(
                f"key 'loads': {text[:80]!r} has an impossible latency bound; it must be above 0 ms "
                f"and at most {_LONGEST_MS:g} ms"
            )
        return Load(kind=_kind(match[1]), quantile=match[2], bound_s=float(match[3]) / 1e3)
    raise ExperimentError(
        f"key 'loads': {text!r} is not a load; allowed: offline, single, and as in constant:20/s, "
        f"poisson:20/s, poisson:p90<=100ms"
    )


def _kind(text: str) -> Literal["constant", "poisson"]:
    return "constant" if text == "constant" else "poisson"


def check_requests(text: str, quantile: str, requests: int) -> None:
    """Raise ExperimentError if a trial of so many requests lacks the quantile that a load looks at."""
    if requests >= SAMPLES_NEEDED[quantile]:
        return
    raise ExperimentError(
        f"key 'requests' is {requests}, but {text!r} needs each trial's {quantile}: set at least "
        f"{SAMPLES_NEEDED[quantile]}"
    )


def seed_of(seed: int, cell: str, number: int) -> int:
    """The seed of one trial: other for each trial, the same whenever the sweep is run again.

    It draws the times of the trial's requests. The seeds of emulated jitter derive from that of a pipeline's
    first trial.
    """
    return zlib.crc32(f"{seed}:{cell}:{number}".encode())
