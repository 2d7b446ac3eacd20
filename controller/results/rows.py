"""The rows of a results file."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Required, TypedDict

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from controller.results.encoding import LIKE, dump
from controller.results.objectives import Objective
from controller.statistics.steady_state import Bounded, Steady

__all__ = [
    "Accuracy",
    "Attempt",
    "CHAIN",
    "SATURATING",
    "Saturation",
    "HUB",
    "OFFLINE",
    "PLANTED",
    "SOCKET",
    "TORCH_RPC",
    "BaselineTrial",
    "Block",
    "BundleRow",
    "CLOCK_S",
    "Cell",
    "CodecAccuracy",
    "Course",
    "DeviceRow",
    "EnvironmentRow",
    "ExperimentRow",
    "FullSpeed",
    "Hop",
    "LONGEST_S",
    "Link",
    "LinkUse",
    "Look",
    "MeasuredLink",
    "MetaRow",
    "NetworkRow",
    "Predicted",
    "Profiling",
    "ReferenceBox",
    "Scope",
    "Sentinel",
    "Settings",
    "TelemetryRow",
    "TimeAlone",
    "Trial",
    "TrialRow",
    "coded_as",
]

LONGEST_S: Final = 1e9
"""No time of a results file is longer, nor any device's clock further."""

CLOCK_S: Final = 1e-6
"""The largest difference between sums of times, which are stored rounded."""

_MOST: Final = 1 << 53
_Count = Annotated[int, Meta(ge=0, le=_MOST)]
_Number = Annotated[int, Meta(ge=1, le=_MOST)]
_Whole = Annotated[int, Meta(ge=-_MOST, le=_MOST)]
_Figure = Annotated[float, Meta(ge=-1e15, le=1e15)]
_NotNegative = Annotated[float, Meta(ge=0, le=1e15)]
_Positive = Annotated[float, Meta(gt=0, le=1e15)]
_Error = Annotated[float, Meta(ge=0)]
"""Infinite where a result is not a number."""
_Seconds = Annotated[float, Meta(ge=0, le=LONGEST_S)]
_Duration = Annotated[float, Meta(gt=0, le=LONGEST_S)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Figures = Annotated[Mapping[str, Any], Meta(extra={LIKE: Mapping[str, _Whole | _Figure | bool | None]})]
_Moment = Annotated[str, Meta(extra={LIKE: Annotated[datetime, Meta(tz=True)]})]
"""A time of day with its offset, which readers subtract from others."""


SATURATING = "saturating"
"""The role of a depth that the sweep finds for each cell: the smallest at which throughput is flat."""

OFFLINE = "offline"
"""The load of a closed loop."""

CHAIN = "chain"
HUB = "hub"
SOCKET = "socket"
TORCH_RPC = "torch_rpc"
PLANTED = "planted"
"""The kind of a device whose stages have planted times, whatever it is itself."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a split is run: the dimensions of a cell beside its model, split, devices and network.

    A cell's id, its columns in the results file and those of `cells.csv` follow from these fields.

    Attributes:
        source: Where requests are born and end: `first` (device) or `controller`.
        depth: How many requests may be in flight. Where it has a role: as found, 0 before that.
        role: `saturating`, or empty where the experiment gives the depth.
        batch: Samples in a request.
        codec: Of every link between devices (`uint8`), or of some (`forward: uint8`); `none` where the cell
            has no such link.
        backend: What carries requests from device to device: `socket` (our own), or `torch_rpc`.
        load: When requests are due: `offline` (closed loop), or as in `poisson:20/s`, `poisson:p90<=100ms`.
        prefetch: The number of inputs prepared ahead during the run; None: all before the run.
        topology: `chain` (device to device), or `hub` (from each device to the next through the controller).
            A cell without transfers between devices is a chain.
        threads: ONNX Runtime threads of every stage, if the experiment compares several numbers.
        planted: The times planted in the null model's stages by device, as JSON; None: all stages compute.
    """

    source: str = "first"
    depth: _Count = 1
    role: str = ""
    batch: _Number = 1
    codec: str = "none"
    backend: str = SOCKET
    load: str = OFFLINE
    prefetch: _Count | None = None
    topology: str = CHAIN
    threads: _Number | None = None
    planted: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cell(Settings):
    """One configuration of a sweep. Its `id` is a digest of all of it but the label, and a depth with a role.

    So cells of labs that find different depths are the same cell.

    Attributes:
        cuts: One cut index fewer than there are devices; 0 and the node count are the ends.
        label: The cuts for human eyes, such as `features.7`.
        devices: The chain, first to last, by name.
        shaping: How the network is imposed: `emulated`, `tc`, or `none`.
    """

    model: str
    bundle: str
    precision: str = "fp32"
    cuts: tuple[_Count, ...]
    label: str
    devices: tuple[str, ...]
    network: str
    shaping: str

    @cached_property
    def id(self) -> str:
        left_out = {"label", "depth"} if self.role else {"label"}
        identity = {key: value for key, value in asdict(self).items() if key not in left_out}
        return hashlib.sha256(dump(identity).encode()).hexdigest()[:16]

    @cached_property
    def split_id(self) -> str:
        """An id that the cells of one split at several depths share."""
        return replace(self, depth=0, role="").id

    @property
    def depth_key(self) -> tuple[bool, int]:
        """Orders cells by depth; one whose depth is found comes last."""
        return bool(self.role), self.depth

    @property
    def depth_text(self) -> str:
        """The depth for people, `auto` before it is found."""
        return str(self.depth or "auto")


@dataclass(frozen=True)
class Saturation:
    """The depth that was found for a cell.

    Attributes:
        is_flat: Whether twice the depth gains less than 3 %: measured, or since a stage or link is in use for
            all but 3 % of the time.
        tried: Requests a second by depth, as text; single runs, of which only that at depth 1 may be a trial.
    """

    cell: str
    depth: _Number
    is_flat: bool
    tried: Mapping[str, _NotNegative]


@dataclass(frozen=True)
class Hop:
    """A stage of a trial: nodes `[start, stop)` on `device`.

    Attributes:
        alone_s: Its mean time alone, in the trial's block unless `slowdown` fixes it; None where that does
            not fit the trial, or is missing.
        alone_missing: Why it is missing: what failed while the stage was timed.
    """

    device: str
    start: _Count
    stop: _Count
    threads: _Count
    load_s: _Seconds
    alone_s: _Seconds | None = None
    alone_missing: str | None = None


@dataclass(frozen=True)
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
    frames: _Number
    elapsed_s: _Duration
    busy_s: _Figure
    rwnd_limited_s: _Figure
    sndbuf_limited_s: _Figure
    queued_s: _Figure
    carried_bytes: _Whole
    round_trip_s: _Figure


@dataclass(frozen=True)
class Link:
    """A link of a trial. `sender` and `receiver` are device names, or `controller`; equal within a device.

    Attributes:
        payload_bytes: Bytes of one request before the codec.
        encoded_bytes: Bytes after the codec, mean over the trial's requests; None without a codec.
        sent_raw: The trial's tensors that the codec could not shorten, which were sent unencoded.
        rate_mbit: Its network's, one way; None without one.
        use: How long it was in use; None where nothing accounts for it.
    """

    sender: str
    receiver: str
    payload_bytes: _Count
    codec: str = "none"
    encoded_bytes: _NotNegative | None = None
    sent_raw: _Count = 0
    rate_mbit: _Positive | None = None
    use: LinkUse | None = None


@dataclass(frozen=True)
class Attempt:
    """One rate of a search: requests per second, latency quantile (None: unknown), bound kept or not."""

    rate_per_s: _NotNegative
    latency_s: _Seconds | None
    kept: bool


@dataclass(frozen=True)
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
    rate_per_s: _NotNegative | None = None
    seed: int | None = None
    steady: Steady | None = None
    highest: Bounded | None = None
    attempts: tuple[Attempt, ...] = ()
    bound_kept: bool | None = None
    jitter_seeds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """One visit of every cell that a network still wants, in random order.

    Attributes:
        number: From 0 under each network.
        whole: Whether all of them were visited.
    """

    network: str
    number: _Count
    started_at: _Moment
    whole: bool = False


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
        return tuple(rows[np.isin(rows["request"], self.endpoint["request"])] for rows in self.hop_rows)


class _Direction(TypedDict, total=False):
    delay_ms: _NotNegative | None
    jitter_ms: _NotNegative | None
    rate_mbit: _Positive | None
    loss_percent: _NotNegative | None


class _Requested(_Direction, total=False):
    """What readers use of a network's conditions."""

    description: str
    forward: _Direction | None
    backward: _Direction | None
    pairs: Mapping[str, _Direction]


class _Tensor(TypedDict):
    name: str
    shape: tuple[str | int, ...]


class _CutPoint(TypedDict):
    index: _Number
    clean: bool
    module: str | None
    tensors: tuple[_Tensor, ...]
    bytes_per_sample: _Count
    macs_before_share: _Share
    params_before_share: _Share


class _Node(TypedDict):
    parameters: _Count
    multiply_adds: _Count


class _Manifest(TypedDict, total=False):
    """What readers use of a bundle's manifest."""

    model: str
    precision: str
    trained: bool
    dataset: str
    seed: int
    node_count: Required[_Number]
    cut_points: Required[tuple[_CutPoint, ...]]
    nodes: tuple[_Node, ...]


class _Selfcheck(TypedDict):
    taken_at: str
    network: str | None
    figures: _Count
    wrong: tuple[str, ...]


class _Stamp(TypedDict, total=False):
    """What readers use of an environment's stamp."""

    selfcheck: _Selfcheck | None


@dataclass(frozen=True)
class MetaRow:
    """A fact of the file itself: the version of its schema."""

    key: str
    value: str


@dataclass(frozen=True)
class ExperimentRow:
    """The experiment that the file is of; the last one where its trials have been raised.

    Attributes:
        digest: The SHA-256 of its text.
        rest: The SHA-256 of all of it but its trials, which may be raised.
        trials, least: Trials of a cell, at most and at least.
        until: How sure answers have to be; None where the experiment gives a number of trials.
    """

    digest: str
    rest: str
    name: str
    text: str
    seed: int
    trials: _Number
    least: _Number
    until: _Share | None
    objectives: tuple[Objective, ...]
    created_at: str


@dataclass(frozen=True)
class EnvironmentRow:
    """A call of the sweep: the controller's machine and versions."""

    id: _Number
    taken_at: str
    stamp: Annotated[Mapping[str, Any], Meta(extra={LIKE: _Stamp})]


@dataclass(frozen=True)
class BundleRow:
    """A bundle: its manifest, so that a report needs no bundle."""

    digest: str
    model: str
    manifest: Annotated[Mapping[str, Any], Meta(extra={LIKE: _Manifest})]


@dataclass(frozen=True)
class NetworkRow:
    """A network as the experiment requests it, with its position there."""

    name: str
    position: _Count
    shaping: str
    requested: Annotated[Mapping[str, Any], Meta(extra={LIKE: _Requested})]


@dataclass(frozen=True, kw_only=True)
class TrialRow:
    """A trial as the file stores it: finished, or void with a reason and without what it measured.

    Attributes:
        rows: Requests, with those that do not count.
        requests: Those that count.
        records: See `controller.results.records`.
        digest: Of what it measured, see `controller.results.records.digest_of`.
    """

    id: _Number
    cell: str
    number: _Count
    status: Literal["done", "void"]
    environment: _Number
    started_at: _Moment
    reason: str | None = None
    device: str | None = None
    elapsed_s: _Duration | None = None
    rows: _Number | None = None
    requests: _Number | None = None
    checked: _Count | None = None
    worst_error: _NotNegative | None = None
    hops: Annotated[tuple[Hop, ...], Meta(min_length=1)] | None = None
    links: tuple[Link, ...] | None = None
    course: Course | None = None
    records: bytes | None = None
    digest: str | None = None


@dataclass(frozen=True)
class TelemetryRow:
    """A sample of a device's telemetry during a trial."""

    trial: _Number
    device: str
    at_s: _Seconds
    sample: Mapping[str, _Whole | _Figure | None]


@dataclass(frozen=True)
class BaselineTrial:
    """The whole model alone on one device, in a bare ONNX Runtime loop: seconds per batch.

    `number` is that of its block under `network`.
    """

    model: str
    network: str
    bundle: str
    device: str
    batch: _Number
    number: _Count
    threads: _Count
    taken_at: str
    compute_s: Annotated[tuple[_Duration, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class FullSpeed:
    """A stage's time alone at full speed on an emulated slower device: the same for all of a sweep."""

    bundle: str
    device: str
    start: _Count
    stop: _Count
    batch: _Number
    threads: _Count
    compute_s: _Duration
    taken_at: str


@dataclass(frozen=True)
class TimeAlone:
    """A stage's mean time alone, slowdown included: for all cells of its block that have the stage.

    Where `slowdown` fixes the time, it holds for all blocks and networks. No time holds after a change of
    the device.
    """

    network: str
    block: _Count
    bundle: str
    device: str
    start: _Count
    stop: _Count
    batch: _Number
    threads: _Count
    compute_s: _Duration
    taken_at: str


@dataclass(frozen=True)
class Accuracy:
    """The metric over the bundle's first `samples`, for the whole graph and for the chain at `cuts`.

    Both are None where the samples have no labels. `worst_error` compares the chain with the whole graph.
    """

    bundle: str
    cuts: tuple[_Count, ...]
    samples: _Count
    whole: _Share | None
    chain: _Share | None
    worst_error: _Error


@dataclass(frozen=True)
class CodecAccuracy:
    """`Accuracy` of a chain whose links have codecs. A codec may see a whole batch, so it differs by batch.

    Attributes:
        worst_error: Over all samples, since each may be sent.
        tensor_error: A codec's largest error in a tensor, relative to the tensor's own maximum; over all.
    """

    bundle: str
    cuts: tuple[_Count, ...]
    devices: tuple[str, ...]
    source: str
    codec: str
    batch: _Number
    samples: _Count
    whole: _Share | None
    chain: _Share | None
    worst_error: _Error
    tensor_error: _Error


def coded_as(what: Cell | CodecAccuracy) -> Hashable:
    """What the accuracy of a cell with codecs depends on."""
    return what.bundle, what.cuts, what.devices, what.source, what.codec, what.batch


@dataclass(frozen=True)
class Sentinel:
    """The same work in every block, to see drift: computation on a device, or round trips over a link.

    Attributes:
        receiver: The link's other end; empty for computation on `device`.
        times_s: Of each repeat.
    """

    network: str
    block: _Count
    device: str
    receiver: str
    taken_at: str
    times_s: Annotated[tuple[_Duration, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class DeviceRow:
    """A device as it was in an environment. Its kind is `planted` where it has planted times."""

    name: str
    kind: str
    slowdown: _Positive
    stamp: Mapping[str, Any]

    @property
    def made_of(self) -> tuple[str, ...]:
        """Its settings that must be the same for all its trials, in words."""
        options, provider = self.stamp.get("onnxruntime_options"), self.stamp.get("provider")
        return (
            self.kind,
            f"slowdown {self.slowdown:g}",
            f"threads {self.stamp.get('threads', 1)}",
            *([f"provider {provider}"] if provider else []),
            *([f"ONNX Runtime options {options}"] if options else []),
        )


@dataclass(frozen=True)
class MeasuredLink:
    """One direction of a link: its network's conditions, and its workers' measurements.

    Attributes:
        requested: Conditions of this direction and the resulting round trip; empty without a network.
        measured: Median round trip, rate, loss and TCP throughput, with their numbers of samples.
        environment: None for a measurement before a sweep call.
    """

    network: str
    sender: str
    receiver: str
    requested: _Figures
    measured: _Figures
    taken_at: str
    environment: _Number | None = None


@dataclass(frozen=True)
class ReferenceBox:
    """The worst latency, and the longest time a sample, of a network's ends and baselines.

    Hypervolumes are shares of the box from there to zero. It is kept, so that another file can be judged by
    it.
    """

    bundle: str
    network: str
    latency_s: _Duration
    sample_s: _Duration


@dataclass(frozen=True)
class Scope:
    """A search that measures only a network's most promising cells.

    Attributes:
        how: `planned` (cells that could be on the front) or `time budget` (as many as time allowed).
        cells: The number of all cells.
        ended: `front stands`, `share measured`, `time spent`, `all measured`; None during the search.
        splits: The number of each bundle's splits, by digest.
    """

    network: str
    how: str
    cells: _Count
    ended: str | None = None
    splits: Mapping[str, _Count] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """Whether the search would choose no further cell."""
        return self.ended not in (None, "time spent")


@dataclass(frozen=True)
class Look:
    """A look at how sure a network's answers are, where the experiment's `trials` go on until they are.

    Attributes:
        block: Number of the first block after it. What it says follows from the blocks before.
        open: Ids of the cells that could still change an answer, and have had fewer than `most` trials.
        sure: How sure the least sure answer is; None without one.
        ended: `sure`, `same within 2 %` (sure, and several splits of an answer are as good), `most trials`,
            `no answer`; None while blocks go on.
    """

    network: str
    block: _Count
    open: tuple[str, ...]
    sure: _Share | None
    ended: str | None = None


@dataclass(frozen=True)
class Profiling:
    """A device profile for predictions, as JSON text, and the seconds that it took.

    Attributes:
        threads: The number of threads, if the experiment compares several; else 0.
    """

    bundle: str
    batch: _Number
    threads: _Count
    took_s: _Seconds
    text: str


@dataclass(frozen=True)
class Predicted:
    """A cell's prediction before its run, from the search's device profile.

    Attributes:
        seconds: At depth 1 the median latency of a request, above it the period.
    """

    cell: str
    seconds: _Duration
