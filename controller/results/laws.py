"""Laws that every good trial keeps, whatever it measured.

Each law is exact but for what a clock's rate, a wake-up and the refilling of a credit cost. Latency x
throughput against depth is none of them: over a finite window it is off by what was in flight at its ends.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from controller.results.record_faults import CLOCK_RATE, window_of
from controller.results.trial import Trial

__all__ = ["LAW_BROKEN", "RETRIES", "broken_law"]

LAW_BROKEN: Final = "law broken: "
"""Begins the reason of a trial that is void by a law."""

RETRIES: Final = 3
"""How often a trial is run again in its block that breaks a law, or has replies that cannot be true."""

_LITTLE: Final = 0.005
_REFILL_S: Final = 1e-4


def broken_law(trial: Trial, depth: int | None) -> str | None:
    """The first law that a trial breaks, with the figures that show it; None for a good trial.

    Its rows have none of the faults in `controller.results.record_faults`.

    Args:
        depth: Requests in flight in a closed loop; None in an open one.
    """
    return next(_broken(trial, depth), None)


def _broken(trial: Trial, depth: int | None) -> Iterator[str]:
    if depth is not None:
        yield from _little(trial, depth)
    yield from _compute(trial)


def _little(trial: Trial, depth: int) -> Iterator[str]:
    began_s, ended_s = window_of(trial.endpoint_rows)
    rows = trial.endpoint_rows
    overlaps_s = np.minimum(rows["finished_at_s"], ended_s) - np.maximum(rows["scheduled_at_s"], began_s)
    overlap_s, expected_s = float(overlaps_s.clip(0).sum()), depth * trial.elapsed_s
    if abs(overlap_s - expected_s) > _LITTLE * expected_s + _REFILL_S * len(trial.endpoint):
        yield (
            f"Little's law: requests were in flight for {overlap_s:.4g} s in all; depth {depth} x "
            f"{trial.elapsed_s:.4g} s is {expected_s:.4g} s"
        )


def _compute(trial: Trial) -> Iterator[str]:
    """A thread computes one request at a time: on its own clock, and within the time that is reported."""
    began_s, ended_s = window_of(trial.endpoint_rows)
    rows = trial.endpoint_rows
    # Those that came and went within that time: others computed in part outside it.
    inside = (rows["scheduled_at_s"] >= began_s) & (rows["finished_at_s"] <= ended_s)
    for name, of_hop in zip(_stages(trial), trial.hop_rows, strict=True):
        own_s = of_hop["compute_at_s"][-1] + of_hop["compute_s"][-1] - of_hop["compute_at_s"][0]
        for compute_s, span_s in (
            (float(of_hop["compute_s"].sum()), float(own_s)),
            (float(of_hop["compute_s"][inside].sum()), trial.elapsed_s),
        ):
            if compute_s > CLOCK_RATE * span_s:
                yield (
                    f"a thread computes one request at a time; {name} computed {compute_s:.4g} s in "
                    f"{span_s:.4g} s"
                )


def _stages(trial: Trial) -> list[str]:
    return [f"stage {hop.start}-{hop.stop} on {hop.device}" for hop in trial.hops]
