"""The rows of a results file, but those of trials."""

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Required, TypedDict

from msgspec import Meta

from controller.results.encoding import LIKE, dump
from controller.results.fields import (
    Count,
    Duration,
    Error,
    Figures,
    Moment,
    NotNegative,
    Number,
    Positive,
    Seconds,
    Share,
)
from controller.results.objectives import Objective

__all__ = [
    "Accuracy",
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
    "Cell",
    "CodecAccuracy",
    "DeviceRow",
    "EnvironmentRow",
    "ExperimentRow",
    "FullSpeed",
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
    "TimeAlone",
    "coded_as",
]

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
    depth: Count = 1
    role: str = ""
    batch: Number = 1
    codec: str = "none"
    backend: str = SOCKET
    load: str = OFFLINE
    prefetch: Count | None = None
    topology: str = CHAIN
    threads: Number | None = None
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
    cuts: tuple[Count, ...]
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
    depth: Number
    is_flat: bool
    tried: Mapping[str, NotNegative]


@dataclass(frozen=True)
class Block:
    """One visit of every cell that a network still wants, in random order.

    Attributes:
        number: From 0 under each network.
        whole: Whether all of them were visited.
    """

    network: str
    number: Count
    started_at: Moment
    whole: bool = False


class _Direction(TypedDict, total=False):
    delay_ms: NotNegative | None
    jitter_ms: NotNegative | None
    rate_mbit: Positive | None
    loss_percent: NotNegative | None


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
    index: Number
    clean: bool
    module: str | None
    tensors: tuple[_Tensor, ...]
    bytes_per_sample: Count
    macs_before_share: Share
    params_before_share: Share


class _Node(TypedDict):
    parameters: Count
    multiply_adds: Count


class _Manifest(TypedDict, total=False):
    """What readers use of a bundle's manifest."""

    model: str
    precision: str
    trained: bool
    dataset: str
    seed: int
    node_count: Required[Number]
    cut_points: Required[tuple[_CutPoint, ...]]
    nodes: tuple[_Node, ...]


class _Selfcheck(TypedDict):
    taken_at: str
    network: str | None
    figures: Count
    wrong: tuple[str, ...]


class _Stamp(TypedDict, total=False):
    """What readers use of an environment's stamp; `bundles` has the folder of each digest."""

    selfcheck: _Selfcheck | None
    bundles: dict[str, str]


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
    trials: Number
    least: Number
    until: Share | None
    objectives: tuple[Objective, ...]
    created_at: str


@dataclass(frozen=True)
class EnvironmentRow:
    """A call of the sweep: the controller's machine and versions."""

    id: Number
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
    position: Count
    shaping: str
    requested: Annotated[Mapping[str, Any], Meta(extra={LIKE: _Requested})]


@dataclass(frozen=True)
class BaselineTrial:
    """The whole model alone on one device, in a bare ONNX Runtime loop: seconds per batch.

    `number` is that of its block under `network`. Where `is_fixed`, the device's slowdown fixes the time.
    """

    model: str
    network: str
    bundle: str
    device: str
    batch: Number
    number: Count
    threads: Count
    taken_at: str
    compute_s: Annotated[tuple[Duration, ...], Meta(min_length=1)]
    is_fixed: bool = False


@dataclass(frozen=True)
class FullSpeed:
    """A stage's time alone at full speed on an emulated slower device: the same for all of a sweep."""

    bundle: str
    device: str
    start: Count
    stop: Count
    batch: Number
    threads: Count
    compute_s: Duration
    taken_at: str


@dataclass(frozen=True)
class TimeAlone:
    """A stage's mean time alone, slowdown included: for all cells of its block that have the stage.

    Where `slowdown` fixes the time, it holds for all blocks and networks. No time holds after a change of
    the device.
    """

    network: str
    block: Count
    bundle: str
    device: str
    start: Count
    stop: Count
    batch: Number
    threads: Count
    compute_s: Duration
    taken_at: str


@dataclass(frozen=True)
class Accuracy:
    """The metric over the bundle's first `samples`, for the whole graph and for the chain at `cuts`.

    Both are None where the samples have no labels. `worst_error` compares the chain with the whole graph.
    """

    bundle: str
    cuts: tuple[Count, ...]
    samples: Count
    whole: Share | None
    chain: Share | None
    worst_error: Error


@dataclass(frozen=True)
class CodecAccuracy:
    """`Accuracy` of a chain whose links have codecs. A codec may see a whole batch, so it differs by batch.

    Attributes:
        worst_error: Over all samples, since each may be sent.
        tensor_error: A codec's largest error in a tensor, relative to the tensor's own maximum; over all.
    """

    bundle: str
    cuts: tuple[Count, ...]
    devices: tuple[str, ...]
    source: str
    codec: str
    batch: Number
    samples: Count
    whole: Share | None
    chain: Share | None
    worst_error: Error
    tensor_error: Error


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
    block: Count
    device: str
    receiver: str
    taken_at: str
    times_s: Annotated[tuple[Duration, ...], Meta(min_length=1)]


@dataclass(frozen=True)
class DeviceRow:
    """A device as it was in an environment. Its kind is `planted` where it has planted times."""

    name: str
    kind: str
    slowdown: Positive
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
    requested: Figures
    measured: Figures
    taken_at: str
    environment: Number | None = None


@dataclass(frozen=True)
class ReferenceBox:
    """The worst latency, and the longest time a sample, of a network's ends and baselines.

    Hypervolumes are shares of the box from there to zero. It is kept, so that another file can be judged by
    it.
    """

    bundle: str
    network: str
    latency_s: Duration
    sample_s: Duration


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
    cells: Count
    ended: str | None = None
    splits: Mapping[str, Count] = field(default_factory=dict)

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
    block: Count
    open: tuple[str, ...]
    sure: Share | None
    ended: str | None = None


@dataclass(frozen=True)
class Profiling:
    """A device profile for predictions, as JSON text, and the seconds that it took.

    Attributes:
        threads: The number of threads, if the experiment compares several; else 0.
    """

    bundle: str
    batch: Number
    threads: Count
    took_s: Seconds
    text: str


@dataclass(frozen=True)
class Predicted:
    """A cell's prediction before its run, from the search's device profile.

    Attributes:
        seconds: At depth 1 the median latency of a request, above it the period.
    """

    cell: str
    seconds: Duration
