"""The parts of messages: tensors, links, hops, loads, and their records.

Durations are in seconds, sizes in bytes, digests are SHA-256 in hex.
"""

from typing import Literal

from worker.wire.base import Part

__all__ = [
    "Emulation",
    "EndpointSpec",
    "HopRecords",
    "HopSpec",
    "LinkSpec",
    "LoadSpec",
    "SentBytes",
    "ShardRef",
    "TelemetrySample",
    "TensorSpec",
]


class TensorSpec(Part, frozen=True):
    """A tensor with its concrete shape; `dtype` is its name in numpy."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Emulation(Part, frozen=True):
    """Link conditions that the sender emulates, where it may not use `tc`.

    One way; `rate_mbit` None is unlimited. Jitter is uniform within +- `jitter_ms`.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_mbit: float | None = None
    seed: int = 0


class LinkSpec(Part, frozen=True):
    """One link of a pipeline; both ends get the same.

    `host` and `port` are the receiving end's data port; both None for an in-process link. `codec` is a name
    that `worker.wire.codecs.parse_codec` knows; an in-process link has none. `receiver` is the device at the
    receiving end, or `controller`; with certificates, its certificate must say so.
    """

    name: str
    tensors: tuple[TensorSpec, ...]
    host: str | None = None
    port: int | None = None
    emulation: Emulation | None = None
    codec: str = "none"
    receiver: str | None = None


class ShardRef(Part, frozen=True):
    """A shard in the worker's store: its own digest, and that of the bundle whose weights it uses."""

    digest: str
    bundle: str
    start: int
    stop: int


class HopSpec(Part, frozen=True):
    """One stage of a pipeline: the shard, its tensors, and the links it stands between."""

    shard: ShardRef
    inlet: str
    outlet: str
    threads: int = 1


class EndpointSpec(Part, frozen=True):
    """Source and sink of a pipeline, fed from the samples of a bundle.

    The sink compares every `check_every`-th result with the bundle's answer (1: each, 0: none). It may differ
    by `allowed_error` of the answer's own maximum. The source prepares all inputs before the run (`prefetch`
    None), or during it, up to `prefetch` ahead.
    """

    bundle: str
    outlet: str
    inlet: str
    batch: int
    check_every: int = 1
    allowed_error: float = 1e-4
    prefetch: int | None = None


class LoadSpec(Part, frozen=True):
    """When requests are due.

    `closed`: as soon as the depth allows (depth 1: the next on completion). `constant` and `poisson`: an open
    loop, at so many requests a second on average, whatever comes back; `seed` draws the times.
    """

    kind: Literal["closed", "constant", "poisson"] = "closed"
    rate_per_s: float = 0.0
    seed: int = 0


class TelemetrySample(Part, frozen=True):
    """One sample of a device. `at_s` is on its monotonic clock; unknown values are None."""

    at_s: float
    process_cpu_percent: float
    host_cpu_percent: float
    process_rss_bytes: int
    host_used_bytes: int
    frequency_mhz: float | None = None
    temperature_c: float | None = None
    throttled: int | None = None
    sent_bytes: int = 0
    received_bytes: int = 0
    gpu_percent: float | None = None
    gpu_power_w: float | None = None
    gpu_used_bytes: int | None = None


class HopRecords(Part, frozen=True):
    """The records of one hop, rows in the order of computing (`worker.records.HOP`)."""

    start: int
    stop: int
    rows: bytes


class SentBytes(Part, frozen=True):
    """Payload bytes that a link with a codec sent in the last run, over all its requests.

    `sent_raw` counts tensors that the codec could not shorten, sent unencoded.
    """

    link: str
    requests: int
    encoded_bytes: int
    sent_raw: int
