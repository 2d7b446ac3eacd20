"""The control protocol: each request, declared with the reply that answers it.

Typed structs, sent as length-prefixed MessagePack by `worker.wire.control`. The worker answers a request with
exactly one reply: the declared one, or `Problem`. Durations are in seconds, sizes in bytes, digests are
SHA-256 in hex.
"""

from typing import Final, Literal

from worker.wire.base import Done, Message, Problem, Request
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
    "REQUESTS",
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
    "Message",
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


class DeviceInfo(Message, frozen=True):
    """Describe the worker: the reply to `Query`.

    `kind` is what the inventory calls the device (real, virtual, local); `slowdown` above 1 makes it
    an emulated slower one; `provider` is what it computes on (cpu, cuda); `codecs` are the families that it
    can encode and decode. `stamp` is everything a number should carry: versions, kernel, processor, governor,
    throttling, TCP settings. `denied` counts the connections since the start that did not prove that they
    belong to the lab.
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


class Query(Request[DeviceInfo], frozen=True):
    """Ask a worker what it is and who holds it; needs no claim."""


class Claimed(Message, frozen=True):
    """The worker is yours until this connection closes."""

    device: DeviceInfo


class Claim(Request[Claimed], frozen=True):
    """Take the worker. A second controller learns the name of the `holder`."""

    holder: str


class Missing(Message, frozen=True):
    """What the store lacks."""

    bundles: tuple[str, ...]
    shards: tuple[str, ...]


class Have(Request[Missing], frozen=True):
    """Ask which of these the store lacks."""

    bundles: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()


class PutShard(Request[Done], frozen=True):
    """Keep this shard graph; the worker refuses one whose SHA-256 is not `digest`."""

    digest: str
    graph: bytes


class PutFile(Request[Done], frozen=True):
    """Keep a piece of a bundle's file; the worker checks the digest after the last (offset + data = size).

    The manifest comes last: it makes the bundle complete.
    """

    bundle: str
    name: Literal["manifest.json", "weights.bin", "shards.zip", "samples.npz"]
    digest: str
    size_bytes: int
    offset: int
    data: bytes


class PipelineBuilt(Message, frozen=True):
    """One entry per hop: how long its stage took to load, and its median compute time alone."""

    load_s: tuple[float, ...]
    solo_compute_s: tuple[float, ...]


class BuildPipeline(Request[PipelineBuilt], frozen=True):
    """Load these stages and await the incoming links; drop the previous pipeline.

    The worker keeps stages that stay the same (same shard, threads). It runs each stage `solo_runs` times
    alone to measure its own compute time. `records` False keeps no rows of the hops, to see what keeping them
    costs. With `rpc`, what crosses from device to device goes over PyTorch RPC.
    """

    name: str
    depth: int
    links: tuple[LinkSpec, ...]
    hops: tuple[HopSpec, ...]
    endpoint: EndpointSpec | None = None
    solo_runs: int = 5
    records: bool = True
    rpc: RpcSpec | None = None


class OpenLinks(Request[Done], frozen=True):
    """Connect the outgoing links and start. Sent once every worker of the pipeline is built."""


class RunDone(Message, frozen=True):
    """All requests came back, in order and right. Errors are relative to the answer's own maximum.

    `stable` is None unless the run was `until_stable`. `overloaded`: requests came faster than results, so
    they waited longer and longer at the source.
    """

    elapsed_s: float
    checked: int
    worst_error: float
    windows: int = 1
    stable: bool | None = None
    overloaded: bool = False


class Run(Request[RunDone], frozen=True):
    """Run requests through the pipeline: `warmup` that are not recorded, then `requests` that are.

    With `duration_s` those count that come within it, instead. `until_stable` continues, a third at a time,
    until the last three thirds agree, and records these (`worker.endpoint.windows`).
    """

    requests: int
    warmup: int = 0
    timeout_s: float = 600.0
    load: LoadSpec = LoadSpec()
    until_stable: bool = False
    duration_s: float | None = None


class Records(Message, frozen=True):
    """Rows of the endpoint (`worker.records.ENDPOINT`, empty without one) and of each hop."""

    endpoint: bytes
    hops: tuple[HopRecords, ...]
    sent: tuple[SentBytes, ...] = ()


class TakeRecords(Request[Records], frozen=True):
    """Hand over and forget the records of the last run."""


class Telemetry(Message, frozen=True):
    """Telemetry since the previous request for it."""

    samples: tuple[TelemetrySample, ...]


class SampleTelemetry(Request[Telemetry], frozen=True):
    """Hand over and forget the telemetry gathered so far; the worker takes the last sample now."""


class ClosePipeline(Request[Done], frozen=True):
    """Close the links and forget the stages."""


class BaselineDone(Message, frozen=True):
    """Compute time of every timed request, slowdown included."""

    compute_s: tuple[float, ...]


class Baseline(Request[BaselineDone], frozen=True):
    """Run the whole model in a bare ONNX Runtime loop: what this device does without edgecut."""

    shard: ShardRef
    inputs: tuple[TensorSpec, ...]
    threads: int = 1
    warmup: int = 3
    requests: int = 20


class Inferred(Message, frozen=True):
    """Outputs of `Infer`, raw bytes in the shard's order of outputs."""

    tensors: tuple[TensorSpec, ...]
    data: tuple[bytes, ...]


class Infer(Request[Inferred], frozen=True):
    """Run one shard once on these tensors (raw bytes, in order): the health check."""

    shard: ShardRef
    inputs: tuple[TensorSpec, ...]
    data: tuple[bytes, ...]
    threads: int = 1


class JoinLink(Message, frozen=True):
    """First message on a data connection that is a link: its name, and the worker that speaks.

    The receiver answers with `Done` or `Problem`; frames follow.
    """

    pipeline: str
    link: str
    sender: str


REQUESTS: Final[tuple[type[Request[Message]], ...]] = tuple(Request.__subclasses__())
"""Every request of the protocol."""
