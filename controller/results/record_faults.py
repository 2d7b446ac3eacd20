"""What is wrong with what a run recorded: rows of requests, and the time that links were in use.

Devices' replies pass all of it where they arrive, and `check` finds it in files. Readers need `row_faults`
alone: without these, every figure can be computed.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.results.fields import CLOCK_S, LONGEST_S
from controller.results.trial import LinkUse
from worker.records import ENDPOINT, HOP
from worker.wire.messages import LinkAccount

__all__ = [
    "CLOCK_RATE",
    "counted_of",
    "endpoint_faults",
    "hop_faults",
    "row_faults",
    "use_faults",
    "window_of",
]

CLOCK_RATE: Final = 1.005
"""One clock's seconds are at most so many of another's."""

_TICK_S: Final = 0.02
"""How much longer a kernel that counts ticks may call a link busy than it was watched."""

_Rows = NDArray[np.void]


def row_faults(rows: _Rows, requests: int) -> Iterator[str]:
    """What is wrong with rows by themselves: each request has one, in order, with times that can be.

    Args:
        rows: Of an endpoint (`worker.records.ENDPOINT`) or of a hop (`worker.records.HOP`).
        requests: How many there must be.
    """
    if not np.array_equal(rows["request"], np.arange(requests)):
        yield f"its requests are not 0 to {requests - 1} in order"
        return
    if not _has_possible_times(rows):
        yield from _time_faults(rows)
    if rows.dtype == ENDPOINT:
        if rows["counted"].max(initial=0) > 1:
            yield "counted is neither 0 nor 1"
        if not (rows["latency_s"][rows["counted"] == 1] > 0).all():
            yield "latency_s is not above 0"


def _has_possible_times(rows: _Rows) -> bool:
    """Whether all times of a hop are, quickly; False of an endpoint's rows, which have no whole words."""
    if rows.dtype != HOP or not len(rows):
        return False
    # All fields but the first are times of eight bytes.
    times_s = np.ascontiguousarray(rows).view("<f8").reshape(len(rows), -1)[:, 1:]
    return bool(times_s.min() >= -CLOCK_S and times_s.max() <= LONGEST_S)


def _time_faults(rows: _Rows) -> Iterator[str]:
    for field in rows.dtype.names or ():
        if field.endswith("_s"):
            # What is not a number is neither below nor above.
            if not rows[field].min(initial=0) >= -CLOCK_S:
                yield f"{field} is negative or not a number"
            elif rows[field].max(initial=0) > LONGEST_S:
                yield f"{field} is longer than {LONGEST_S:g} s"


def counted_of(endpoint: _Rows) -> tuple[int, int]:
    """The first request that counts, and one past the last; at least one does."""
    counted = np.flatnonzero(endpoint["counted"])
    return int(counted[0]), int(counted[-1]) + 1


def window_of(endpoint: _Rows) -> tuple[float, float]:
    """When elapsed time begins and ends, on the endpoint's clock."""
    first, stop = counted_of(endpoint)
    began_s = endpoint["finished_at_s"][first - 1] if first else endpoint["scheduled_at_s"][0]
    return float(began_s), float(endpoint["finished_at_s"][stop - 1])


def endpoint_faults(rows: _Rows, counted: tuple[int, int], elapsed_s: float) -> Iterator[str]:
    """What is wrong with the rows of an endpoint's run.

    Args:
        counted: The first request that counts, and one past the last.
        elapsed_s: The time in which these came back.
    """
    if found := list(row_faults(rows, len(rows))):
        yield from found
        return
    first, stop = counted
    number = np.arange(len(rows))
    if not first < stop <= len(rows) or (rows["counted"] != ((first <= number) & (number < stop))).any():
        yield f"requests {first} to {stop} count, but its {len(rows)} rows say otherwise"
        return
    for field in ("scheduled_at_s", "finished_at_s"):
        if (np.diff(rows[field]) < 0).any():
            yield f"{field} runs backwards"
    if np.abs(rows["finished_at_s"] - rows["scheduled_at_s"] - rows["latency_s"]).max() > CLOCK_S:
        yield "latency_s is not finished_at_s - scheduled_at_s"
    began_s, ended_s = window_of(rows)
    took_s = ended_s - began_s
    if abs(took_s - elapsed_s) > CLOCK_S:
        yield f"its requests came back in {took_s:.7g} s, not in {elapsed_s:.7g} s"


def hop_faults(rows: _Rows, endpoint: _Rows) -> Iterator[str]:
    """What is wrong with the rows of a hop, beside those of its endpoint's run."""
    if found := list(row_faults(rows, len(endpoint))):
        yield from found
        return
    if (np.diff(rows["compute_at_s"]) < 0).any():
        yield "compute_at_s runs backwards"
    if (rows["compute_at_s"] < rows["received_at_s"] - CLOCK_S).any():
        yield "it computed a request before receiving it"
    if (rows["compute_s"] > CLOCK_RATE * endpoint["latency_s"] + CLOCK_S).any():
        yield "it took longer for a request than the whole pipeline"


def use_faults(use: LinkAccount | LinkUse, counted: tuple[int, int], rows: int) -> Iterator[str]:
    """What is wrong with how long a link was in use among the requests that count, in a run of `rows`."""
    first, stop = counted
    # Up to the frame after the last, which is that of another request.
    if use.frames > (most := min(stop, rows - 1) - first):
        yield f"had {use.frames} frames of at most {most}"
    parts_s = (use.rwnd_limited_s, use.sndbuf_limited_s, use.queued_s)
    is_possible = 0 <= use.busy_s <= use.elapsed_s + _TICK_S
    is_possible &= min(parts_s) >= 0 and max(parts_s) <= use.busy_s + CLOCK_S
    if not is_possible or min(use.carried_bytes, use.round_trip_s) < 0:
        yield "was in use for an impossible time"
