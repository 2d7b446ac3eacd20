"""Laws that every good trial keeps, whatever it measured, and what rows of records can be.

Each law is exact but for what a clock's rate, a wake-up and the refilling of a credit cost. Latency x
throughput against depth is none of them: over a finite window it is off by what was in flight at its ends.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.results.rows import CLOCK_S, LONGEST_S, LinkUse, Trial
from worker.wire.messages import LinkAccount

__all__ = [
    "LAW_BROKEN",
    "RETRIES",
    "broken_law",
    "elapsed_findings",
    "endpoint_faults",
    "endpoint_findings",
    "hop_faults",
    "hop_findings",
    "use_faults",
]

LAW_BROKEN: Final = "law broken: "
"""Begins the reason of a trial that is void by a law."""

RETRIES: Final = 3
"""How often a trial is run again in its block that breaks a law, or has replies that cannot be true."""

_TICK_S: Final = 0.02
"""How much longer a kernel that counts ticks may call a link busy than it was watched."""

_LITTLE: Final = 0.005
_REFILL_S: Final = 1e-4
_COMPUTE: Final = 1.005

_Rows = NDArray[np.void]


def broken_law(trial: Trial, depth: int | None) -> str | None:
    """The first law that a trial breaks, with the figures that show it; None for a good trial.

    Its rows have passed `endpoint_faults` and `hop_faults`.

    Args:
        depth: Requests in flight in a closed loop; None in an open one.
    """
    return next(_broken(trial, depth), None)


def _broken(trial: Trial, depth: int | None) -> Iterator[str]:
    if depth is not None:
        yield from _little(trial, depth)
    yield from _compute(trial)


def endpoint_faults(rows: _Rows, counted: tuple[int, int], elapsed_s: float) -> Iterator[str]:
    """What is wrong with the rows of an endpoint's run: every request is there, in order and finite.

    Args:
        counted: The first request that counts, and one past the last.
        elapsed_s: The time in which these came back.
    """
    yield from _unordered(rows, len(rows))
    first, stop = counted
    number = np.arange(len(rows))
    if not first < stop <= len(rows) or (rows["counted"] != ((first <= number) & (number < stop))).any():
        yield f"requests {first} to {stop} count, but its {len(rows)} rows say otherwise"
        return
    yield from endpoint_findings(rows)
    if (rows["latency_s"][first:stop] <= 0).any():
        yield "latency_s is not above 0"
    began_s = rows["finished_at_s"][first - 1] if first else rows["scheduled_at_s"][0]
    took_s = float(rows["finished_at_s"][stop - 1] - began_s)
    if abs(took_s - elapsed_s) > CLOCK_S:
        yield f"its requests came back in {took_s:.4g} s, not in {elapsed_s:.4g} s"


def hop_faults(rows: _Rows, endpoint: _Rows) -> Iterator[str]:
    """What is wrong with the rows of a hop, beside those of its endpoint's run."""
    yield from _unordered(rows, len(endpoint))
    yield from hop_findings(rows, endpoint)


def use_faults(use: LinkAccount | LinkUse) -> Iterator[str]:
    """What is wrong with the time that a link was in use."""
    parts_s = (use.rwnd_limited_s, use.sndbuf_limited_s, use.queued_s)
    is_possible = 0 <= use.busy_s <= use.elapsed_s + _TICK_S
    is_possible &= min(parts_s) >= 0 and max(parts_s) <= use.busy_s + CLOCK_S
    if not is_possible or min(use.carried_bytes, use.round_trip_s) < 0:
        yield "was in use for an impossible time"


def _unordered(rows: _Rows, requests: int) -> Iterator[str]:
    if not np.array_equal(rows["request"], np.arange(requests)):
        yield f"does not have requests 0 to {requests - 1} in order"


def _little(trial: Trial, depth: int) -> Iterator[str]:
    began_s, ended_s = _window(trial)
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
    began_s, ended_s = _window(trial)
    rows = trial.endpoint_rows
    # Those that came and went within that time: others computed in part outside it.
    inside = (rows["scheduled_at_s"] >= began_s) & (rows["finished_at_s"] <= ended_s)
    for name, of_hop in zip(_stages(trial), trial.hop_rows, strict=True):
        own_s = of_hop["compute_at_s"][-1] + of_hop["compute_s"][-1] - of_hop["compute_at_s"][0]
        for compute_s, span_s in (
            (float(of_hop["compute_s"].sum()), float(own_s)),
            (float(of_hop["compute_s"][inside].sum()), trial.elapsed_s),
        ):
            if compute_s > _COMPUTE * span_s:
                yield (
                    f"a thread computes one request at a time; {name} computed {compute_s:.4g} s in "
                    f"{span_s:.4g} s"
                )


def _window(trial: Trial) -> tuple[float, float]:
    """When elapsed time begins and ends, on the endpoint's clock."""
    first, finished_at_s = int(trial.endpoint["request"][0]), trial.endpoint_rows["finished_at_s"]
    began_s = finished_at_s[first - 1] if first else trial.endpoint_rows["scheduled_at_s"][0]
    return float(began_s), float(trial.endpoint["finished_at_s"][-1])


def _stages(trial: Trial) -> list[str]:
    return [f"stage {hop.start}-{hop.stop} on {hop.device}" for hop in trial.hops]


def elapsed_findings(trial: Trial) -> Iterator[str]:
    """An elapsed time that its records do not show."""
    began_s, ended_s = _window(trial)
    if abs(ended_s - began_s - trial.elapsed_s) > CLOCK_S:
        yield f"elapsed for {trial.elapsed_s:.7g} s, but its records show {ended_s - began_s:.7g} s"


def endpoint_findings(rows: _Rows) -> Iterator[str]:
    """Impossible rows of requests at the endpoint."""
    if len(np.unique(rows["request"])) != len(rows):
        yield "has a request twice"
    yield from _of_times(rows)
    ordered = rows[np.argsort(rows["request"])]
    for field in ("scheduled_at_s", "finished_at_s"):
        if (np.diff(ordered[field]) < 0).any():
            yield f"{field} runs backwards"
    if np.abs(ordered["finished_at_s"] - ordered["scheduled_at_s"] - ordered["latency_s"]).max() > CLOCK_S:
        yield "latency_s is not finished_at_s - scheduled_at_s"


def hop_findings(rows: _Rows, endpoint: _Rows) -> Iterator[str]:
    """Impossible rows of a hop, beside those of its endpoint."""
    if len(rows) != len(endpoint):
        yield f"has {len(rows)} rows of {len(endpoint)} requests"
        return
    if not np.array_equal(np.sort(rows["request"]), np.sort(endpoint["request"])):
        yield "has rows of other requests than the endpoint"
        return
    yield from _of_times(rows)
    ordered = rows[np.argsort(rows["request"])]
    if (np.diff(ordered["compute_at_s"]) < 0).any():
        yield "compute_at_s runs backwards"
    if (ordered["compute_at_s"] < ordered["received_at_s"] - CLOCK_S).any():
        yield "computed a request before receiving it"
    longest_s = endpoint[np.argsort(endpoint["request"])]["latency_s"]
    if (ordered["compute_s"] > _COMPUTE * longest_s + CLOCK_S).any():
        yield "took longer for a request than the whole pipeline"


def _of_times(rows: _Rows) -> Iterator[str]:
    for field in rows.dtype.names or ():
        values: NDArray[Any] = rows[field]
        if not (values >= -CLOCK_S).all():
            yield f"{field} is negative or not a number"
        elif (values > LONGEST_S).any():
            yield f"{field} is more than thirty years"
