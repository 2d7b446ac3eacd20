"""What a controller and a worker say to each other on the control connection.

Typed structs, sent as length-prefixed MessagePack by `worker.wire.stream`. A request is answered by
exactly one reply; a worker that cannot do what was asked answers with `Problem`. Durations are in
seconds, sizes in bytes, digests are SHA-256 in hex.
"""

from typing import Literal

from worker.wire.base import Message as _Message
from worker.wire.base import Part as _Part
from worker.wire.probes import (
    ExpectProbe,
    JoinProbe,
    ProbeRoundTrips,
    ProbeThroughput,
    ProbeTrain,
    RoundTrips,
    TakeTrain,
    Throughput,
    TrainReceived,
    TrainSent,
)
from worker.wire.rpc import CheckRpc, RpcRoute, RpcSpec, RpcTransport

__all__ = [
    "Baseline",
    "BaselineDone",
    "BuildPipeline",
    "CheckRpc",
    "Claim",
    "Claimed",
    "ClosePipeline",
    "DeviceInfo",
    "Done",
    "Emulation",
    "EndpointSpec",
    "ExpectProbe",
    "Have",
    "HopRecords",
    "HopSpec",
    "Infer",
    "Inferred",
    "JoinLink",
    "JoinProbe",
    "LinkSpec",
    "LoadSpec",
    "Missing",
    "OpenLinks",
    "PipelineBuilt",
    "ProbeRoundTrips",
    "ProbeThroughput",
    "ProbeTrain",
    "Problem",
    "PutFile",
    "PutShard",
    "Query",
    "Records",
    "Reply",
    "Request",
    "RoundTrips",
    "RpcRoute",
    "RpcSpec",
    "RpcTransport",
    "Run",
    "RunDone",
    "SampleTelemetry",
    "SentBytes",
    "ShardRef",
    "TakeRecords",
    "TakeTrain",
    "Telemetry",
    "TelemetrySample",
    "TensorSpec",
    "Throughput",
    "TrainReceived",
    "TrainSent",
]


# --- parts -----------------------------------------------------------------------------------


class TensorSpec(_Part, frozen=True):
    """A tensor with its concrete shape; `dtype` is numpy's name of it."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Emulation(_Part, frozen=True):
    """Link conditions that the sender imposes itself, where it may not use `tc`.

    One way; `rate_mbit` None is unlimited. Jitter is uniform within +- `jitter_ms`.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    rate_mbit: float | None = None
    seed: int = 0


class LinkSpec(_Part, frozen=True):
    """One link of a pipeline, told alike to both of its ends.

    `host` and `port` are the receiving end's data port; both None for an in-process link. `codec` is a name
    that `worker.wire.codecs.parse_codec` knows; an in-process link has none.
    """

    name: str
    tensors: tuple[TensorSpec, ...]
    host: str | None = None
    port: int | None = None
    emulation: Emulation | None = None
    codec: str = "none"


class ShardRef(_Part, frozen=True):
    """A shard in the worker's store: its own digest, and that of the bundle whose weights it uses."""

    digest: str
    bundle: str
    start: int
    stop: int


class HopSpec(_Part, frozen=True):
    """One stage of a pipeline: the shard, its tensors, and the links it stands between."""

    shard: ShardRef
    inlet: str
    outlet: str
    threads: int = 1


class EndpointSpec(_Part, frozen=True):
    """Source and sink of a pipeline, fed from the samples of a bundle.

    Every `check_every`-th result is compared with the bundle's answer (1 is each); 0 checks none. It may
    differ by `allowed_error` of the answer's own maximum. Inputs are all made before the run (`prefetch`
    None), or while it goes on, up to `prefetch` ahead.
    """

    bundle: str
    outlet: str
    inlet: str
    batch: int
    check_every: int = 1
    allowed_error: float = 1e-4
    prefetch: int | None = None


class LoadSpec(_Part, frozen=True):
    """When requests are due.

    `closed`: as soon as one may be sent (depth 1: the next on completion). `constant` and `poisson`: an open
    loop, at so many requests a second on average, whatever comes back; `seed` draws the times.
    """

    kind: Literal["closed", "constant", "poisson"] = "closed"
    rate_per_s: float = 0.0
    seed: int = 0


class TelemetrySample(_Part, frozen=True):
    """One look at a device. `at_s` is on the device's monotonic clock; what it cannot tell is None."""

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


class HopRecords(_Part, frozen=True):
    """The records of one hop, rows in the order of computing (`worker.records.HOP`)."""

    start: int
    stop: int
    rows: bytes


class SentBytes(_Part, frozen=True):
    """What a link with a codec carried in the last run: payload bytes as sent, over all its requests.

    `sent_raw` counts tensors that the codec could not make shorter, and that went as they were.
    """

    link: str
    requests: int
    encoded_bytes: int
    sent_raw: int


# --- requests --------------------------------------------------------------------------------


class Query(_Message, frozen=True):
    """Who are you, and who holds you? May be asked of a worker that another controller holds."""


class Claim(_Message, frozen=True):
    """Take the worker. `holder` is told to whoever comes second."""

    holder: str


class Have(_Message, frozen=True):
    """Which of these are missing from your store?"""

    bundles: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()


class PutShard(_Message, frozen=True):
    """Keep this shard graph (refused when its SHA-256 is not `digest`)."""

    digest: str
    graph: bytes


class PutFile(_Message, frozen=True):
    """Keep a piece of a bundle's file; the last piece (offset + data = size) is checked by digest.

    The manifest comes last: a bundle counts as there once its manifest is.
    """

    bundle: str
    name: Literal["manifest.json", "weights.bin", "shards.zip", "samples.npz"]
    digest: str
    size_bytes: int
    offset: int
    data: bytes


class BuildPipeline(_Message, frozen=True):
    """Load these stages and stand ready for the incoming links; what was loaded before is dropped.

    Stages that stay the same (same shard, threads) are kept. `solo_runs` runs of each stage, alone,
    give its own compute time. `records` False keeps no rows of the hops, to see what keeping them costs.
    With `rpc`, what crosses from device to device goes over PyTorch RPC.
    """

    name: str
    depth: int
    links: tuple[LinkSpec, ...]
    hops: tuple[HopSpec, ...]
    endpoint: EndpointSpec | None = None
    solo_runs: int = 5
    records: bool = True
    rpc: RpcSpec | None = None


class OpenLinks(_Message, frozen=True):
    """Connect the outgoing links and start. Sent once every worker of the pipeline is built."""


class Run(_Message, frozen=True):
    """Run requests through the pipeline: `warmup` that are not recorded, then `requests` that are.

    With `duration_s` those count that come within it, instead. `until_stable` goes on, a third at a time,
    until the last three thirds agree, and records these (`worker.endpoint.windows`).
    """

    requests: int
    warmup: int = 0
    timeout_s: float = 600.0
    load: LoadSpec = LoadSpec()
    until_stable: bool = False
    duration_s: float | None = None


class TakeRecords(_Message, frozen=True):
    """Hand over and forget the records of the last run."""


class SampleTelemetry(_Message, frozen=True):
    """Hand over and forget the telemetry gathered so far; the last sample is of now."""


class ClosePipeline(_Message, frozen=True):
    """Close the links and forget the stages."""


class Baseline(_Message, frozen=True):
    """The whole model in a bare ONNX Runtime loop: what this device does without us."""

    shard: ShardRef
    inputs: tuple[TensorSpec, ...]
    threads: int = 1
    warmup: int = 3
    requests: int = 20


class Infer(_Message, frozen=True):
    """Run one shard once on these tensors (raw bytes, in order): the health check."""

    shard: ShardRef
    inputs: tuple[TensorSpec, ...]
    data: tuple[bytes, ...]
    threads: int = 1


class JoinLink(_Message, frozen=True):
    """First message on a data connection: which link it is to be, and which worker speaks.

    Answered by `Done` or `Problem`; frames follow.
    """

    pipeline: str
    link: str
    sender: str


# --- replies ---------------------------------------------------------------------------------


class DeviceInfo(_Message, frozen=True):
    """Who is there: the answer to `Query`.

    `kind` is what the inventory calls the device (real, virtual, local); `slowdown` above 1 makes it
    an emulated slower one; `provider` is what it computes on (cpu, cuda); `codecs` are the families that it
    can encode and decode. `stamp` is everything a number should carry: versions, kernel, processor, governor,
    throttling, TCP settings.
    """

    name: str
    kind: str
    slowdown: float
    threads: int
    provider: str
    data_port: int
    holder: str | None
    held_s: float | None
    codecs: tuple[str, ...]
    stamp: dict[str, str | int | float | bool | None]


class Claimed(_Message, frozen=True):
    """The worker is yours until this connection closes."""

    device: DeviceInfo


class Missing(_Message, frozen=True):
    """What the store lacks."""

    bundles: tuple[str, ...]
    shards: tuple[str, ...]


class Done(_Message, frozen=True):
    """Done, nothing more to say."""


class PipelineBuilt(_Message, frozen=True):
    """One entry per hop: how long its stage took to load, and its median compute time alone."""

    load_s: tuple[float, ...]
    solo_compute_s: tuple[float, ...]


class RunDone(_Message, frozen=True):
    """All requests came back, in order and right. Errors are relative to the answer's own maximum.

    `stable` is None where it was not asked for. `overloaded`: requests came faster than results, so waited
    longer and longer at the source.
    """

    elapsed_s: float
    checked: int
    worst_error: float
    windows: int = 1
    stable: bool | None = None
    overloaded: bool = False


class Records(_Message, frozen=True):
    """Rows of the endpoint (`worker.records.ENDPOINT`, empty without one) and of each hop."""

    endpoint: bytes
    hops: tuple[HopRecords, ...]
    sent: tuple[SentBytes, ...] = ()


class Telemetry(_Message, frozen=True):
    """Telemetry since the last time it was asked for."""

    samples: tuple[TelemetrySample, ...]


class BaselineDone(_Message, frozen=True):
    """Compute time of every timed request, slowdown included."""

    compute_s: tuple[float, ...]


class Inferred(_Message, frozen=True):
    """Outputs of `Infer`, raw bytes in the shard's order of outputs."""

    tensors: tuple[TensorSpec, ...]
    data: tuple[bytes, ...]


class Problem(_Message, frozen=True):
    """It could not be done; one line that says what and where.

    `kind`: `busy` (another controller holds the worker), `missing` (not in the store), `refused` (the
    request is wrong), `mismatch` (a result differs from the answer), `peer` (a neighbour was lost or
    misbehaved), `failed` (anything else).
    """

    kind: Literal["busy", "missing", "refused", "mismatch", "peer", "failed"]
    text: str


Request = (
    Query
    | Claim
    | Have
    | PutShard
    | PutFile
    | BuildPipeline
    | OpenLinks
    | Run
    | TakeRecords
    | SampleTelemetry
    | ClosePipeline
    | Baseline
    | Infer
    | ExpectProbe
    | ProbeRoundTrips
    | ProbeTrain
    | TakeTrain
    | ProbeThroughput
    | CheckRpc
)

Reply = (
    DeviceInfo
    | Claimed
    | Missing
    | Done
    | PipelineBuilt
    | RunDone
    | Records
    | Telemetry
    | BaselineDone
    | Inferred
    | RoundTrips
    | TrainSent
    | TrainReceived
    | Throughput
    | Problem
)
