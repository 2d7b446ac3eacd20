"""The protocol: every message, each request with the reply that answers it, and the parts of messages.

Typed structs that refuse unknown fields, sent as length-prefixed MessagePack by `worker.wire.control`. The
worker answers a request with exactly one reply: the declared one, or `Problem`. Durations are in seconds,
sizes in bytes, digests are SHA-256 in hex.

Every number of a reply has bounds, which its type states; they exclude what is not finite. A request's
`fault_of` checks a reply against it.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta

__all__ = [
    "COLDEST_C",
    "HOTTEST_C",
    "INPUTS_ALONE",
    "LONGEST_PROBLEM",
    "MOST_SLOWDOWN",
    "MOST_THREADS",
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
    "LinkAccount",
    "LinkSpec",
    "LoadSpec",
    "Message",
    "Missing",
    "OpenLinks",
    "Part",
    "PipelineBuilt",
    "PlantedPhase",
    "PlantedTime",
    "ProbeRoundTrips",
    "ProbeThroughput",
    "ProbeTrain",
    "Problem",
    "ProblemKind",
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
    "SentinelDone",
    "SentBytes",
    "Stamp",
    "ShardRef",
    "StagesTimed",
    "TakeRecords",
    "TakeTrain",
    "TimeSentinel",
    "TimeStages",
    "Telemetry",
    "TelemetrySample",
    "TensorSpec",
    "Throughput",
    "TrainReceived",
    "TrainSent",
]


Count = Annotated[int, Meta(ge=0, le=2**40)]
"""Of requests, frames, datagrams, threads or connections."""

Bytes = Annotated[int, Meta(ge=0, le=2**53)]
"""A size, or a counter that a host keeps since it started."""

Seconds = Annotated[float, Meta(ge=0.0, le=1e9)]
"""A duration, or a time on a device's monotonic clock."""

PositiveSeconds = Annotated[float, Meta(gt=0.0, le=1e9)]

Level = Annotated[float, Meta(ge=0.0, le=1e9)]
"""What a device shows of itself: a percentage of one core or of all, MHz, or watts."""

COLDEST_C: Final = -100.0
HOTTEST_C: Final = 300.0
MOST_SLOWDOWN: Final = 1e6
MOST_THREADS: Final = 1024

Stamp = dict[
    str,
    str
    | Annotated[int, Meta(ge=-(2**53), le=2**53)]
    | Annotated[float, Meta(ge=-1e18, le=1e18)]
    | bool
    | None,
]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of every message: immutable, named by its class on the wire."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parts that messages are made of."""


_ReplyT_co = TypeVar("_ReplyT_co", bound=Message, covariant=True)


class Request(Message, Generic[_ReplyT_co], frozen=True):
    """Base of every request: `class Run(Request[RunDone])` declares its reply, `Run.reply` too."""

    reply: ClassVar[type[Message]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # typeshed does not declare the attribute that every generic base leaves.
        (cls.reply,) = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]

    def fault_of(self, _reply: Any) -> str | None:
        """What is wrong with a reply of the declared type, beside this request; None where it fits."""
        return None


class Done(Message, frozen=True):
    """The worker did it, and has nothing more to say."""


LONGEST_PROBLEM: Final = 4096
"""Characters of a problem's text: it goes into a line on the terminal, and into the results file."""

ProblemKind = Literal["busy", "missing", "refused", "mismatch", "peer", "failed"]


class Problem(Message, frozen=True):
    """The worker could not do it; one line says what is wrong and where.

    `kind`: `busy` (another controller holds the worker), `missing` (not in the store), `refused` (the
    request is wrong), `mismatch` (a result differs from the answer), `peer` (a neighbour was lost or
    misbehaved), `failed` (anything else).
    """

    kind: ProblemKind
    text: Annotated[str, Meta(max_length=LONGEST_PROBLEM)]


class TensorSpec(Part, frozen=True):
    """A tensor with its concrete shape; `dtype` is its name in numpy."""

    name: str
    dtype: str
    shape: tuple[Count, ...]


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


class PlantedPhase(Part, frozen=True):
    """A part of a trial in which a planted stage takes `factor` times as long.

    From `start` to before `stop`: numbers of requests, or seconds since the stage began with the first of
    them.
    """

    unit: Literal["requests", "seconds"]
    start: float
    stop: float
    factor: float


class PlantedTime(Part, frozen=True):
    """The time that a stage of the null model takes, which no other stage may have.

    `seconds` a run, times a factor drawn from `modes` (pairs of factor and weight); in every `stall_every`-th
    request `stall_s` longer; and times the factor of each of the `phases` that the request falls into.
    """

    seconds: float
    how: Literal["sleep", "spin"] = "sleep"
    modes: tuple[tuple[float, float], ...] = ()
    stall_every: int = 0
    stall_s: float = 0.0
    phases: tuple[PlantedPhase, ...] = ()
    seed: int = 0


INPUTS_ALONE: Final = 5
"""Inputs to time a stage alone on, or a whole model, whose time does not depend on the data."""


class HopSpec(Part, frozen=True):
    """One stage of a pipeline: the shard, its tensors, and the links it stands between.

    `full_speed_s` is the time at full speed that a slower device multiplies; None: it multiplies each run's
    own, until `TimeStages` fixes that time. `varies`: the time depends on the data. `keeps`: how many of the
    first requests' inputs to keep, as far as they fit in memory, to time the stage on.
    """

    shard: ShardRef
    inlet: str
    outlet: str
    threads: int = 1
    full_speed_s: float | None = None
    varies: bool = False
    keeps: int = 0
    planted: PlantedTime | None = None


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

    at_s: Seconds
    process_cpu_percent: Level
    host_cpu_percent: Level
    process_rss_bytes: Bytes
    host_used_bytes: Bytes
    frequency_mhz: Level | None = None
    temperature_c: Annotated[float, Meta(ge=COLDEST_C, le=HOTTEST_C)] | None = None
    throttled: Count | None = None
    sent_bytes: Bytes = 0
    received_bytes: Bytes = 0
    gpu_percent: Level | None = None
    gpu_power_w: Level | None = None
    gpu_used_bytes: Bytes | None = None
    process_memory_bytes: Bytes | None = None


class HopRecords(Part, frozen=True):
    """The records of one hop, rows in the order of computing (`worker.records.HOP`)."""

    start: Count
    stop: Count
    rows: bytes


class SentBytes(Part, frozen=True):
    """Payload bytes that a link with a codec sent in the last run, over all its requests.

    `sent_raw` counts tensors that the codec could not shorten, sent unencoded.
    """

    link: str
    requests: Count
    encoded_bytes: Bytes
    sent_raw: Count


class LinkAccount(Part, frozen=True):
    """How long a link was in use, by its sender's kernel or the schedule of its emulation.

    Over `elapsed_s` on the sender's clock, in which it began to send `frames`. `busy_s`: bytes waited to be
    sent or acknowledged, or a frame occupied the emulated link. The other fields are the kernel's alone:
    `queued_s` is the part of `busy_s` at whose end a frame found bytes of those before it still on the
    sender, less `rwnd_limited_s`; `worker.wire.tcp_account` explains the rest.
    """

    link: str
    by: Literal["kernel", "emulation"]
    frames: Annotated[int, Meta(ge=1, le=2**40)]
    elapsed_s: PositiveSeconds
    busy_s: Seconds
    rwnd_limited_s: Seconds = 0.0
    sndbuf_limited_s: Seconds = 0.0
    queued_s: Seconds = 0.0
    carried_bytes: Bytes = 0
    round_trip_s: Seconds = 0.0


# PyTorch RPC in place of our own sockets has its own protocol and ports; none of it goes over the data port.

RpcTransport = Literal["tcp", "any"]
"""What carries the tensors: TCP alone, or what PyTorch finds best, such as shared memory within a host."""


class RpcRoute(Part, frozen=True):
    """The ends of a link between two devices, by the devices' names."""

    link: str
    sender: str
    receiver: str


class RpcSpec(Part, frozen=True):
    """A world of PyTorch RPC: the same for all its devices, except `rank` and `address`.

    `workers` are the devices by rank. The first offers the store at which all meet, at `host` and `port`. A
    device uses `interface`, or the one with its `address`. `threads` serve incoming calls.
    """

    workers: tuple[str, ...]
    rank: int
    host: str
    port: int
    address: str
    routes: tuple[RpcRoute, ...]
    threads: int = 16
    interface: str | None = None
    transport: RpcTransport = "tcp"


class DeviceInfo(Message, frozen=True):
    """Describe the worker: the reply to `Query`.

    `kind` is what the inventory calls the device (real, virtual, namespace, local); `slowdown` above 1
    makes it an emulated slower one; `provider` is what it computes on (cpu, cuda); `codecs` are the
    families that it can encode and decode. `stamp` is everything a number should carry: versions, kernel,
    processor, governor, throttling, TCP settings. `denied` counts the connections since the start that did
    not prove that they belong to the lab.
    """

    name: str
    kind: str
    slowdown: Annotated[float, Meta(ge=1.0, le=MOST_SLOWDOWN)]
    threads: Annotated[int, Meta(ge=1, le=MOST_THREADS)]
    provider: str
    data_port: Annotated[int, Meta(ge=1, le=65_535)]
    holder: str | None
    held_s: Seconds | None
    codecs: tuple[str, ...]
    denied: Count
    stamp: Stamp


class Query(Request[DeviceInfo], frozen=True):
    """Ask a worker what it is and who holds it; needs no claim."""


class Claimed(Message, frozen=True):
    """The worker is yours until this connection closes."""

    device: DeviceInfo


class Claim(Request[Claimed], frozen=True):
    """Take the worker. A second controller learns the name of the `holder`."""

    holder: str

    def fault_of(self, reply: Claimed) -> str | None:
        by = reply.device.holder
        return None if by == self.holder else f"it is claimed by {by!r}, not by {self.holder!r}"


class Missing(Message, frozen=True):
    """What the store lacks."""

    bundles: tuple[str, ...]
    shards: tuple[str, ...]


class Have(Request[Missing], frozen=True):
    """Ask which of these the store lacks."""

    bundles: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()

    def fault_of(self, reply: Missing) -> str | None:
        unasked = {*reply.bundles} - {*self.bundles} | {*reply.shards} - {*self.shards}
        return "it names digests that the request does not have" if unasked else None


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
    """One entry per hop: how long its stage took to load."""

    load_s: tuple[Seconds, ...]


class BuildPipeline(Request[PipelineBuilt], frozen=True):
    """Load these stages and await the incoming links; drop the previous pipeline.

    The worker keeps stages that stay the same (same shard, threads). `records` False keeps no rows of the
    hops, to see what that costs. With `rpc`, what crosses from device to device goes over PyTorch RPC.
    """

    name: str
    depth: int
    links: tuple[LinkSpec, ...]
    hops: tuple[HopSpec, ...]
    endpoint: EndpointSpec | None = None
    records: bool = True
    rpc: RpcSpec | None = None

    def fault_of(self, reply: PipelineBuilt) -> str | None:
        return _not_as_many("load times", reply.load_s, len(self.hops))


class OpenLinks(Request[Done], frozen=True):
    """Connect the outgoing links and start. Sent once every worker of the pipeline is built."""


class RunDone(Message, frozen=True):
    """All requests came back, in order and right. Errors are relative to the answer's own maximum.

    `counted`: the first request that counts, and one past the last. `stable`: the latency stayed the same
    (`worker.endpoint.run_length`); None with too few requests to tell. `overloaded`: a request waited so long
    at the source that the run was given up (`worker.endpoint.load`).
    """

    elapsed_s: PositiveSeconds
    counted: tuple[Count, Count]
    checked: Count
    worst_error: Annotated[float, Meta(ge=0.0, le=1e9)]
    stable: bool | None = None
    overloaded: bool = False


class Run(Request[RunDone], frozen=True):
    """Run requests through the pipeline: `warmup` that do not count, then at least `requests` that do.

    In a closed loop those to fill the pipeline do not count either, and those that count are a multiple of
    the depth. They come back in `duration_s` at least.
    """

    requests: int
    warmup: int = 0
    timeout_s: float = 600.0
    load: LoadSpec = LoadSpec()
    duration_s: float | None = None

    def fault_of(self, reply: RunDone) -> str | None:
        first, stop = reply.counted
        if stop <= first:
            return f"it counts requests {first} to {stop}"
        if reply.checked > stop - first:
            return f"it checked {reply.checked} of {stop - first} requests"
        if reply.elapsed_s > self.timeout_s + _TIMED_OUT_WITHIN_S:
            return f"it took {reply.elapsed_s:g} s, and would have timed out after {self.timeout_s:g} s"
        if reply.overloaded:
            closed = self.load.kind == "closed"
            return "a closed loop cannot be overloaded" if closed or first else None
        if stop - first < self.requests or first < max(1, self.warmup):
            least = f"{self.requests} after {self.warmup} warm-up requests"
            return f"it counts requests {first} to {stop}, not {least}"
        if self.duration_s is not None and reply.elapsed_s < self.duration_s * (1 - _ROUNDED):
            return f"it took {reply.elapsed_s:g} s, less than {self.duration_s:g} s"
        return None


class Records(Message, frozen=True):
    """Rows of the endpoint (`worker.records.ENDPOINT`, empty without one) and of each hop."""

    endpoint: bytes
    hops: tuple[HopRecords, ...]
    sent: tuple[SentBytes, ...] = ()
    accounts: tuple[LinkAccount, ...] = ()


class TakeRecords(Request[Records], frozen=True):
    """Hand over and forget the records of the last run.

    `counted` is that of `RunDone`: the requests that the links' accounts are of; without it there are none.
    """

    counted: tuple[int, int] | None = None


class StagesTimed(Message, frozen=True):
    """Mean seconds of a run of each stage alone."""

    compute_s: tuple[PositiveSeconds, ...]


class TimeStages(Request[StagesTimed], frozen=True):
    """Time stages alone on the inputs that they kept (`HopSpec.keeps`), while no request is in the pipeline.

    `hops` are positions in `BuildPipeline.hops`. A slower device's sleep counts, except `at_full_speed`: then
    the stage takes the slowdown's multiple of the result from now on.
    """

    hops: tuple[int, ...]
    at_full_speed: bool = False

    def fault_of(self, reply: StagesTimed) -> str | None:
        return _not_as_many("times", reply.compute_s, len(self.hops))


class Telemetry(Message, frozen=True):
    """Telemetry since the previous request for it."""

    samples: Annotated[tuple[TelemetrySample, ...], Meta(min_length=1)]


class SampleTelemetry(Request[Telemetry], frozen=True):
    """Hand over and forget the telemetry gathered so far; the worker takes the last sample now."""

    def fault_of(self, reply: Telemetry) -> str | None:
        times_s = [sample.at_s for sample in reply.samples]
        return None if times_s == sorted(times_s) else "its samples are out of order"


class ClosePipeline(Request[Done], frozen=True):
    """Close the links and forget the stages, or keep them for the next pipeline, which may have the same."""

    keep_stages: bool = False


class BaselineDone(Message, frozen=True):
    """Compute time of every timed request, slowdown included.

    `full_speed_s`: what a slower device multiplied, if it was measured now.
    """

    compute_s: tuple[PositiveSeconds, ...]
    full_speed_s: PositiveSeconds | None = None


class Baseline(Request[BaselineDone], frozen=True):
    """Run the whole model in a bare ONNX Runtime loop, on batches of its bundle's samples.

    That is what this device does without edgecut. A slower device multiplies `full_speed_s`, the model's time
    at full speed, or measures it first; where that time `varies` with the data, it multiplies each run's own.
    """

    shard: ShardRef
    inputs: tuple[TensorSpec, ...]
    batch: int = 1
    threads: int = 1
    warmup: int = 3
    requests: int = 20
    full_speed_s: float | None = None
    varies: bool = False
    planted: PlantedTime | None = None

    def fault_of(self, reply: BaselineDone) -> str | None:
        is_known = self.full_speed_s is not None or self.varies or self.planted is not None
        if is_known and reply.full_speed_s is not None:
            return "it has a time at full speed, which the request gives or rules out"
        return _not_as_many("times", reply.compute_s, self.requests)


class SentinelDone(Message, frozen=True):
    """Time of each repeat of the sentinel's work, without slowdown."""

    times_s: Annotated[tuple[PositiveSeconds, ...], Meta(min_length=1)]


class TimeSentinel(Request[SentinelDone], frozen=True):
    """Repeat a fixed piece of work for this long, to see whether the device's speed has changed."""

    duration_s: float


class Inferred(Message, frozen=True):
    """Outputs of `Infer`, raw bytes in the shard's order of outputs."""

    tensors: tuple[TensorSpec, ...]
    data: Annotated[tuple[bytes, ...], Meta(min_length=1)]


class Infer(Request[Inferred], frozen=True):
    """Run one shard once on these tensors (raw bytes, in order): the health check."""

    shard: ShardRef
    inputs: tuple[TensorSpec, ...]
    data: tuple[bytes, ...]
    threads: int = 1

    def fault_of(self, reply: Inferred) -> str | None:
        return _not_as_many("outputs", reply.data, len(reply.tensors))


class JoinLink(Message, frozen=True):
    """First message on a data connection that is a link: its name, and the worker that speaks.

    The receiver answers with `Done` or `Problem`; frames follow.
    """

    pipeline: str
    link: str
    sender: str


class CheckRpc(Request[Done], frozen=True):
    """Check whether the device can take part in a pipeline over PyTorch RPC.

    `port` goes to the device that is to offer it. A `Problem` says what prevents it.
    """

    interface: str | None = None
    port: int | None = None


# Probes measure a link. The controller tells the receiver to expect one and the sender to send it. They go to
# the receiver's data port, over TCP and UDP, so that they meet what data meets.


class ExpectProbe(Request[Done], frozen=True):
    """Receive this probe: answer on the data port, count datagrams on UDP.

    `probe` is 32 secret hex digits. It replaces the probe expected before; None expects none any more.
    """

    probe: str | None


class RoundTrips(Message, frozen=True):
    """Every timed round trip, on the sender's clock."""

    round_trips_s: tuple[PositiveSeconds, ...]


class ProbeRoundTrips(Request[RoundTrips], frozen=True):
    """Time echoes on a data connection, one after the other, after `warmup` that do not count.

    Ends after `round_trips`, or after `duration_s` with at least `at_least`. `receiver` is the device that
    must answer, as in `LinkSpec`.
    """

    probe: str
    host: str
    port: int
    round_trips: int
    at_least: int
    duration_s: float
    warmup: int = 0
    receiver: str | None = None

    def fault_of(self, reply: RoundTrips) -> str | None:
        count = len(reply.round_trips_s)
        if self.at_least <= count <= self.round_trips:
            return None
        return f"{count} round trips, not {self.at_least} to {self.round_trips}"


class TrainSent(Message, frozen=True):
    """The train has left: `elapsed_s` from its first datagram to its last."""

    datagrams: Count
    elapsed_s: Seconds


class ProbeTrain(Request[TrainSent], frozen=True):
    """Send datagrams to the receiver's data port, one every `datagram_bytes` / rate.

    `datagram_bytes` is the payload alone; `rate_mbit` counts the `frame_bytes` that each is on the wire.
    """

    probe: str
    host: str
    port: int
    train: int
    datagrams: int
    datagram_bytes: int
    frame_bytes: int
    rate_mbit: float

    def fault_of(self, reply: TrainSent) -> str | None:
        sent = reply.datagrams
        return None if sent == self.datagrams else f"{sent} datagrams, not {self.datagrams}"


class TrainReceived(Message, frozen=True):
    """What arrived of a train, on the receiver's clock.

    The receiver read `datagrams`; `overflowed` arrived too, but the receiver was too slow to read them.
    `elapsed_s` is from the first arrival to the last.
    """

    datagrams: Count
    overflowed: Count
    elapsed_s: Seconds


class TakeTrain(Request[TrainReceived], frozen=True):
    """Hand over what arrived of a train of `datagrams`.

    The receiver waits until all have arrived, or none for `settle_s`.
    """

    probe: str
    train: int
    datagrams: int
    settle_s: float

    def fault_of(self, reply: TrainReceived) -> str | None:
        got = reply.datagrams
        return None if got <= self.datagrams else f"{got} of {self.datagrams} datagrams"


class Throughput(Message, frozen=True):
    """Bytes that arrived after the first ones, and how long that took, on the receiver's clock."""

    received_bytes: Annotated[int, Meta(ge=1, le=2**53)]
    elapsed_s: PositiveSeconds


class ProbeThroughput(Request[Throughput], frozen=True):
    """Send as fast as one data connection can; the receiver counts for `duration_s`."""

    probe: str
    host: str
    port: int
    duration_s: float
    receiver: str | None = None

    def fault_of(self, reply: Throughput) -> str | None:
        counted_s = reply.elapsed_s
        return (
            None
            if counted_s >= self.duration_s
            else f"it counted for {counted_s:g} s, not {self.duration_s:g} s"
        )


class JoinProbe(Message, frozen=True):
    """First message on a data connection that is a probe. The receiver answers with `Done` or `Problem`.

    `echo`: the receiver sends back every byte. `throughput`: it counts bytes for `duration_s`, then sends
    one `Throughput`.
    """

    probe: str
    kind: Literal["echo", "throughput"]
    sender: str
    duration_s: float = 0.0


REQUESTS: Final[tuple[type[Request[Message]], ...]] = tuple(Request.__subclasses__())
"""Every request of the protocol."""

_TIMED_OUT_WITHIN_S: Final = 1.0
"""The endpoint looks at its clock ten times a second."""

_ROUNDED: Final = 1e-9


def _not_as_many(what: str, values: Sequence[object], count: int) -> str | None:
    return None if len(values) == count else f"{len(values)} {what}, not {count}"
