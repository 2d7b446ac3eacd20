"""A trial, what it is made of, and the rows that keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from controller.results.fields import (
    Count,
    Duration,
    Figure,
    Moment,
    NotNegative,
    Number,
    Positive,
    Seconds,
    Whole,
)
from controller.statistics.steady_state import Bounded, Steady

__all__ = ["Attempt", "Course", "Hop", "Link", "LinkUse", "TelemetryRow", "Trial", "TrialRow"]


@dataclass(frozen=True, slots=True)
class Hop:
    """A stage of a trial: nodes `[start, stop)` on `device`.

    Attributes:
        alone_s: Its mean time alone, in the trial's block unless `slowdown` fixes it; None where that does
            not fit the trial, or is missing.
        alone_missing: Why it is missing: what failed while the stage was timed.
        is_fixed: Whether `slowdown` fixes its time, so that no change of its device's speed shows in it.
    """

    device: str
    start: Count
    stop: Count
    threads: Count
    load_s: Seconds
    alone_s: Seconds | None = None
    alone_missing: str | None = None
    is_fixed: bool = False


@dataclass(frozen=True, slots=True)
class LinkUse:
    """How long a link was in use in a trial, as its sender accounts for it.

    Attributes:
        by: The kernel's account of the connection (`TCP_INFO`), or the emulated link's schedule.
        frames: The number of requests, from the first that counts.
        elapsed_s: The time that they took to reach the link, on the sender's clock.
        busy_s: Of that time, as long as bytes waited to be sent or acknowledged, or a frame occupied the
            emulated link.
        rwnd_limited_s: Part of `busy_s`: the receiver took no more.
        sndbuf_limited_s: Part of `busy_s`: the send buffer was too small for the link.
        queued_s: Part of `busy_s`: each frame found bytes of those before it still on the sender, and the
            receiver took them.
        carried_bytes: What was acknowledged, as Ethernet carries it; 0 where emulated.
        round_trip_s: The shortest from a segment to its acknowledgement; 0 where emulated.
    """

    by: Literal["kernel", "emulation"]
    frames: Number
    elapsed_s: Duration
    busy_s: Figure
    rwnd_limited_s: Figure
    sndbuf_limited_s: Figure
    queued_s: Figure
    carried_bytes: Whole
    round_trip_s: Figure


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a trial. `sender` and `receiver` are device names, or `controller`; equal within a device.

    Attributes:
        payload_bytes: Bytes of one request before the codec.
        encoded_bytes: Bytes after the codec, mean over the trial's requests; None without a codec.
        sent_raw: The trial's tensors that the codec could not shorten, which were sent unencoded.
        rate_mbit: Its network's, one way; None without one.
        delay_ms: Its network's, one way, beside what the link itself takes.
        use: How long it was in use; None where nothing accounts for it.
    """

    sender: str
    receiver: str
    payload_bytes: Count
    codec: str = "none"
    encoded_bytes: NotNegative | None = None
    sent_raw: Count = 0
    rate_mbit: Positive | None = None
    delay_ms: NotNegative = 0.0
    use: LinkUse | None = None


@dataclass(frozen=True)
class Attempt:
    """One rate of a search: requests per second, latency quantile (None: unknown), bound kept or not."""

    rate_per_s: NotNegative
    latency_s: Seconds | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Course:
    """A trial's offered load, and whether its latency stayed the same.

    Attributes:
        stable: Whether the median latencies of its thirds agree; None with too few requests to tell.
        overloaded: Whether requests came faster than results can; then the trial has no latency.
        rate_per_s: Offered requests per second; None in a closed loop.
        seed: The seed of the requests' times; None in a closed loop.
        steady: What an open load would show in the long run; None in a closed loop.
        highest: The rate that a search found, with its interval; None where none keeps the bound.
        attempts: Every rate of a search for the highest rate, in order.
        bound_kept: Whether any of them kept the bound; None without a search.
        jitter_seeds: The seed of each emulated jitter, by sender and receiver (`pi -> server`). Runs that
            precede a trial in its pipeline, such as those that find its depth, draw first.
    """

    stable: bool | None = None
    overloaded: bool = False
    rate_per_s: NotNegative | None = None
    seed: int | None = None
    steady: Steady | None = None
    highest: Bounded | None = None
    attempts: tuple[Attempt, ...] = ()
    bound_kept: bool | None = None
    jitter_seeds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """One timed run of a cell.

    Attributes:
        number: Of its block.
        endpoint_rows: Structured array, one row per request (`worker.records.ENDPOINT`): those that count,
            and those that filled and drained the pipeline.
        hop_rows: One structured array per hop (`worker.records.HOP`), in the order of `hops`.
        worst_error: Largest error of a result, relative to its answer's own maximum.
    """

    cell: str
    number: int
    started_at: str
    elapsed_s: float
    checked: int
    worst_error: float
    hops: tuple[Hop, ...]
    links: tuple[Link, ...]
    endpoint_rows: NDArray[np.void]
    hop_rows: tuple[NDArray[np.void], ...]
    environment: int = 0
    id: int = 0
    course: Course = Course()
    telemetry: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @cached_property
    def endpoint(self) -> NDArray[np.void]:
        """The endpoint's rows of the requests that count."""
        counted: NDArray[np.void] = self.endpoint_rows[self.endpoint_rows["counted"] == 1]
        return counted

    @cached_property
    def records(self) -> tuple[NDArray[np.void], ...]:
        """Each hop's rows of the requests that count."""
        every, counted = self.endpoint_rows["request"], self.endpoint_rows["counted"] == 1
        return tuple(
            # As a file has them: a row for each of the endpoint's, in its order.
            rows[counted]
            if np.array_equal(rows["request"], every)
            else rows[np.isin(rows["request"], self.endpoint["request"])]
            for rows in self.hop_rows
        )


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as the file stores it: finished, or void with a reason and without what it measured.

    Attributes:
        rows: Requests, with those that do not count.
        requests: Those that count.
        records: See `controller.results.records`.
        digest: Of what it measured, see `controller.results.records.digest_of`.
    """

    id: Number
    cell: str
    number: Count
    status: Literal["done", "void"]
    environment: Number
    started_at: Moment
    reason: str | None = None
    device: str | None = None
    elapsed_s: Duration | None = None
    rows: Number | None = None
    requests: Number | None = None
    checked: Count | None = None
    worst_error: NotNegative | None = None
    hops: Annotated[tuple[Hop, ...], Meta(min_length=1)] | None = None
    links: tuple[Link, ...] | None = None
    course: Course | None = None
    records: bytes | None = None
    digest: str | None = None


@dataclass(frozen=True)
class TelemetryRow:
    """A sample of a device's telemetry during a trial."""

    trial: Number
    device: str
    at_s: Seconds
    sample: Mapping[str, Whole | Figure | None]
