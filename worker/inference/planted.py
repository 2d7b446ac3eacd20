"""Planted times: how long each run of a null stage takes, and how it passes that time."""

import bisect
import itertools
import random
from threading import Event
from typing import Final

from worker.clock import spin_until, stay_until
from worker.wire.errors import RefusedError
from worker.wire.messages import PlantedTime

__all__ = ["PlantedRuns"]

_LONGEST_S: Final = 60.0
_MOST_ENTRIES: Final = 64
_LARGEST: Final = 1e9
"""Of requests, weights, and seconds of a schedule."""


class PlantedRuns:
    """The runs of one stage with a planted time; draws continue from run to run."""

    def __init__(self, planted: PlantedTime) -> None:
        """Raises RefusedError: a number is out of its bounds, or there are too many entries."""
        _check(planted)
        self._planted = planted
        self._factors = [factor for factor, _ in planted.modes]
        self._weights = list(itertools.accumulate(weight for _, weight in planted.modes))
        self._mean_s = _mean_s(planted)
        self._random = random.Random(planted.seed)
        self._run_began_s = 0.0

    def takes_s(self, request: int, began_s: float, *, scheduled: bool) -> float:
        """How long this run takes at full speed.

        Args:
            request: the request's number; the timed requests of a trial count from 0.
            began_s: when the stage began with it.
            scheduled: whether it is one of a pipeline's. Else it takes the mean of all modes and stalls,
                without phases.
        """
        if not scheduled:
            return self._mean_s
        planted = self._planted
        seconds = planted.seconds
        if self._factors:
            drawn = bisect.bisect_right(self._weights, self._random.random() * self._weights[-1])
            seconds *= self._factors[min(drawn, len(self._factors) - 1)]
        if planted.stall_every and request % planted.stall_every == planted.stall_every - 1:
            seconds += planted.stall_s
        if request == 0:
            self._run_began_s = began_s
        for phase in planted.phases:
            at = request if phase.unit == "requests" else began_s - self._run_began_s
            if phase.start <= at < phase.stop:
                seconds *= phase.factor
        return seconds

    def stay(self, began_s: float, takes_s: float, slowdown: float, ended: Event) -> None:
        """Pass the time until a run that began at `began_s` has taken `slowdown` times `takes_s`.

        A spinning stage spins as long as it would at full speed, and sleeps for the slowdown like any other.
        """
        if self._planted.how == "spin":
            spin_until(began_s + takes_s, ended)
        stay_until(began_s + takes_s * slowdown, ended)


def _mean_s(planted: PlantedTime) -> float:
    weights = sum(weight for _, weight in planted.modes)
    factor = sum(factor * weight for factor, weight in planted.modes) / weights if weights else 1.0
    stalled_s = planted.stall_s / planted.stall_every if planted.stall_every else 0.0
    return planted.seconds * factor + stalled_s


def _check(planted: PlantedTime) -> None:
    if max(len(planted.modes), len(planted.phases)) > _MOST_ENTRIES:
        raise RefusedError(f"a planted time has at most {_MOST_ENTRIES} modes and {_MOST_ENTRIES} phases")
    weights = [weight for _, weight in planted.modes]
    bounded = (
        ("stall_every", 0, planted.stall_every, _LARGEST),
        ("a weight", 0, min(weights, default=0.0), _LARGEST),
        ("a weight", 0, max(weights, default=0.0), _LARGEST),
        *(("a phase's start", 0, phase.start, _LARGEST) for phase in planted.phases),
        *(("a phase's stop", phase.start, phase.stop, _LARGEST) for phase in planted.phases),
        *(("a factor", 0, factor, _LARGEST) for factor, _ in planted.modes),
        *(("a factor", 0, phase.factor, _LARGEST) for phase in planted.phases),
        ("seconds", 0, planted.seconds, _LONGEST_S),
        ("stall_s", 0, planted.stall_s, _LONGEST_S),
    )
    for name, least, value, most in bounded:
        # Not the other way around: no comparison holds for what is not a number.
        if not least <= value <= most:
            raise RefusedError(f"a planted time has {name} of {value:g}; allowed: {least:g} to {most:g}")
    if weights and not sum(weights) > 0:
        raise RefusedError("the modes of a planted time have no weight above 0")
    longest_s = planted.seconds * max((factor for factor, _ in planted.modes), default=1.0) + planted.stall_s
    for phase in planted.phases:
        longest_s *= max(1.0, phase.factor)
    if not longest_s <= _LONGEST_S:
        raise RefusedError(
            f"a run with a planted time may take up to {longest_s:g} s; allowed: at most {_LONGEST_S:g} s"
        )
