"""What a controller and a worker say to each other on the control connection.

Typed structs, sent as length-prefixed MessagePack by `worker.wire.stream`. A request is answered by
exactly one reply; a worker that cannot do what was asked answers with `Problem`. Durations are in
seconds, sizes in bytes, digests are SHA-256 in hex.
"""

from typing import Literal

from worker.wire.base import Message as _Message
from worker.wire.parts import (
    Emulation,
    EndpointSpec,
    HopRecords,
    HopSpec,
    LinkSpec,
    LoadSpec,
    SentBytes,
    ShardRef,
    TelemetrySample,
    TensorSpec,
)
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
    throttling, TCP settings. `denied`: connections that could not prove that they belong to the lab,
    since the worker began.
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
    denied: int
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
