"""The experiment file: which cells to run.

The structs below are the schema: what they say is what a file may hold, what `controller schema`
prints, and what `docs/experiments.md` documents.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from controller.errors import ExperimentError
from controller.experiment.backend import Backend, RpcSettings
from controller.experiment.codec_assignment import choice_of
from controller.experiment.load import OFFLINE, SINGLE, check_requests, parse_load
from controller.experiment.planted import PlantedDevice, planted_text
from controller.experiment.yaml_file import load_yaml
from controller.results import CHAIN, HUB, SATURATING, TIMED, TORCH_RPC, Objective, Settings, TrialsWanted
from controller.results.metrics import SAMPLES_NEEDED
from worker.wire.messages import Run

__all__ = [
    "DIMENSIONS",
    "Chain",
    "Experiment",
    "Grid",
    "NetworkGrid",
    "SplitRule",
    "Splits",
    "TrialsUntil",
    "load_experiment",
]

DIMENSIONS: Final[Mapping[str, str]] = {
    "depth": "depths",
    "batch": "batches",
    "codec": "codecs",
    "load": "loads",
    "prefetch": "prefetches",
    "topology": "topologies",
    "backend": "backends",
    "threads": "threads",
    "source": "source",
    "planted": "planted",
}
"""By setting of a cell, the key of an experiment that lists its values. Cells are laid out in this order."""

# What is larger is a slip: it would outlast everybody, or leave the numbers that a message can hold.
_Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
_Cut = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(min_length=1)]


class SplitRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cuts by one rule.

    Attributes:
        at_most: So many tensors cross.
        each: After each module whose path or class matches.
    """

    at_most: Annotated[int, Meta(ge=1)] | UnsetType = UNSET
    each: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET


Splits = Annotated[
    str | list[_Cut | list[_Cut]] | SplitRule,
    Meta(
        description="`clean` (every clean cut point), `all` (wide ones too), `blocks` (block boundaries), "
        "`equal` (equal numbers of nodes), `{at_most: N}` (cuts that at most N tensors cross), "
        "`{each: PATTERN}` (a cut after each module whose path, as in `h.*`, or class matches), or a list of "
        "cut indices or module paths (a list of lists with over two devices)"
    ),
]
_Trials = Annotated[int, Meta(ge=2, le=10_000)]
_Depths = Annotated[tuple[_Count | Literal["auto"], ...], Meta(min_length=1)]
_Loads = Annotated[tuple[str, ...], Meta(min_length=1)]
_Topologies = Annotated[tuple[Literal["chain", "hub"], ...], Meta(min_length=1)]
_Backends = Annotated[tuple[Backend, ...], Meta(min_length=1)]
AUTO: Final = "auto"
_REQUESTS: Final = 24
_ROUNDS: Final = 10

_EXCLUDING = (
    ("devices", "placements"),
    ("stages", "placements"),
    *((key, "chains") for key in ("devices", "placements", "stages")),
)
_NAMED_SPLITS = ("clean", "all", "blocks", "equal")


class NetworkGrid(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A network, and what is different under it."""

    name: str
    splits: Splits | UnsetType = UNSET
    depths: _Depths | UnsetType = UNSET
    batches: Annotated[tuple[_Count, ...], Meta(min_length=1)] | UnsetType = UNSET
    codecs: Annotated[tuple[str | dict[str, str], ...], Meta(min_length=1)] | UnsetType = UNSET
    loads: _Loads | UnsetType = UNSET
    topologies: _Topologies | UnsetType = UNSET
    backends: _Backends | UnsetType = UNSET


class Chain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One split on one chain of devices."""

    devices: Annotated[list[str], Meta(min_length=1)]
    cuts: list[_Cut]


class TrialsUntil(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """As many trials as it takes until every answer is sure.

    Attributes:
        least, most: Trials of a cell.
        until: The probability that an answer is within 2 % of the best; samples tell none above 0.99.
    """

    least: _Trials
    most: _Trials
    until: Annotated[float, Meta(gt=0.5, le=0.99)]


@dataclass(frozen=True)
class Grid:
    """What is crossed with what under one network.

    Attributes:
        values: By setting of a cell, those that it is to have.
    """

    splits: Splits
    values: Mapping[str, tuple[Any, ...]]

    @property
    def count(self) -> int:
        """How many `settings` there are, those that are the same as others included."""
        return math.prod(map(len, self.values.values()))

    def settings(self) -> Iterator[Settings]:
        """Every combination of the values."""
        has_chains = CHAIN in self.values["topology"]
        for chosen in itertools.product(*self.values.values()):
            values = dict(zip(self.values, chosen, strict=True))
            if values["depth"] == AUTO:
                values |= {"depth": 0, "role": SATURATING}
            settings = Settings(**values)
            # PyTorch RPC goes from device to device only, and that cell already exists.
            if not (has_chains and settings.topology == HUB and settings.backend == TORCH_RPC):
                yield settings


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An experiment as it stands in its file. Paths are relative to that file."""

    name: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            description="the experiment's name; results go to results/NAME",
        ),
    ]
    models: Annotated[list[str], Meta(min_length=1, description="bundles, by their folder names")]
    networks: Annotated[
        list[str | NetworkGrid],
        Meta(
            min_length=1,
            description="networks: names, or mappings of `name` and what differs under it (`splits`, "
            "`depths`, `batches`, `codecs`, `loads`, `topologies`, `backends`)",
        ),
    ]
    bundles: Annotated[str, Meta(description="the bundles' folder")] = "../../bundles"
    networks_file: Annotated[
        str | None,
        Meta(description="the networks file; default: edgecut's own networks, `ansible/networks.yml`"),
    ] = None
    splits: Splits = "clean"
    devices: Annotated[
        Annotated[list[str], Meta(min_length=1)] | None,
        Meta(description="the chain, by name; default: all the lab's devices in order"),
    ] = None
    placements: Annotated[
        list[Annotated[list[str], Meta(min_length=1)]] | None,
        Meta(
            description="several chains to compare, in place of `devices`; repeat a device to give it "
            "several stages"
        ),
    ] = None
    stages: Annotated[
        Annotated[list[_Count], Meta(min_length=1)] | None,
        Meta(
            description="numbers of devices: for each number, a chain of the first devices; default: all",
        ),
    ] = None
    chains: Annotated[
        Annotated[list[Chain], Meta(min_length=1)] | None,
        Meta(
            description="single splits, each a mapping of `devices` and `cuts`, in place of `splits`, "
            "`devices`, `placements` and `stages`; the sweep adds no ends to them"
        ),
    ] = None
    depths: Annotated[
        _Depths,
        Meta(
            description="requests in flight; `auto`: for each cell the smallest depth at which throughput is "
            "flat, at most 64"
        ),
    ] = (1, AUTO)
    batches: Annotated[tuple[_Count, ...], Meta(min_length=1, description="samples in a request")] = (1,)
    codecs: Annotated[
        tuple[str | dict[str, str], ...],
        Meta(
            min_length=1,
            description="codecs of the links: `none`, `fp16`, `uint8`, `lz4`, `zstd` or `zstd:LEVEL`, "
            "`uint8+zstd`, `zfp:TOLERANCE`; or a mapping of `forward`, `backward` or `SENDER -> RECEIVER` to "
            "one of them ([codecs.md](codecs.md))",
        ),
    ] = ("none",)
    loads: Annotated[
        _Loads,
        Meta(
            description="when requests are due: `offline` (closed loop at full depth), `single` (closed loop "
            "of depth 1), `constant:20/s`, `poisson:20/s` (open loop, requests per second), "
            "`poisson:p90<=100ms` (the highest rate that keeps that latency)"
        ),
    ] = (OFFLINE,)
    topologies: Annotated[
        _Topologies,
        Meta(
            description="`chain`: from device to device; `hub`: from each device to the next through the "
            "controller, as in RPC systems"
        ),
    ] = ("chain",)
    prefetches: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=1_000_000)] | None, ...],
        Meta(
            min_length=1,
            description="inputs prepared ahead during the trial; null: all before it",
        ),
    ] = (None,)
    backends: Annotated[
        _Backends,
        Meta(
            description="the transport between devices: `socket` (edgecut's own), `torch_rpc` (PyTorch RPC, "
            "for comparison; [below](#pytorch-rpc))"
        ),
    ] = ("socket",)
    rpc: Annotated[
        RpcSettings,
        Meta(
            description="settings of `torch_rpc`: the first device's `port`, where all meet; `threads` that "
            "serve calls; network `interface` (null: the one with the device's address); `transport` (`tcp`, "
            "or `any` that PyTorch finds, such as shared memory within a host)"
        ),
    ] = RpcSettings()
    source: Annotated[
        Literal["first", "controller"],
        Meta(description="source and sink: the first device or the controller"),
    ] = "first"
    planted: Annotated[
        dict[str, PlantedDevice] | None,
        Meta(
            description="for the null model alone: by device, the time that its stages take in place of "
            "computing ([below](#planted-times))"
        ),
    ] = None
    objectives: Annotated[
        tuple[Objective, ...],
        Meta(
            min_length=1,
            extra_json_schema={"uniqueItems": True},
            description="what the best split is chosen for: an answer for each under every network, in this "
            "order ([below](#objectives))",
        ),
    ] = TIMED
    trials: Annotated[
        Annotated[int, Meta(ge=1, le=10_000)] | TrialsUntil,
        Meta(
            description="trials of a cell, each in a block of its own: a number, or `{least: 3, most: 15, "
            "until: 0.95}`: after the least, only cells that could still change an answer get more, until "
            "every answer is that sure ([below](#until-sure))"
        ),
    ] = 5
    requests: Annotated[
        _Count | dict[_Count, _Count] | None,
        Meta(
            description="the fewest requests of a trial that count: one number, or by depth; rounded up to a "
            "multiple of the depth. null: ten times the depth, at least 24, and as many as an open load needs"
        ),
    ] = None
    duration_s: Annotated[
        Annotated[float, Meta(gt=0, le=1e7)] | None,
        Meta(description="the shortest time of a trial, in seconds: it has `requests`, and more until then"),
    ] = None
    warmup: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="requests at the beginning of each trial that do not count; at least those that fill "
            "the pipeline never do",
        ),
    ] = 5
    samples: Annotated[
        _Count | None, Meta(description="samples of every accuracy; default: as many as all models have")
    ] = None
    check_every: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description="compare every n-th result with the whole graph's answer; 0: none",
        ),
    ] = 1
    threads: Annotated[
        _Count | dict[str, _Count] | Annotated[tuple[_Count, ...], Meta(min_length=1)] | None,
        Meta(
            description="ONNX Runtime threads of a stage: one number, or by device, or a list of numbers to "
            "compare; null, and for devices not named: from the inventory"
        ),
    ] = None
    search: Annotated[
        Literal["exhaustive", "planned"],
        Meta(
            description="`exhaustive`: every cell; `planned`: profile the lab, and measure only cells that "
            "could be on the front ([below](#planned))"
        ),
    ] = "exhaustive"
    search_share: Annotated[
        Annotated[float, Meta(gt=0, le=1)],
        Meta(
            description="the largest share of a model's splits that `planned` measures per network, but at "
            "least seven splits"
        ),
    ] = 0.15
    device_profile: Annotated[
        Literal["full", "quick"],
        Meta(
            description="what `planned` predicts from: `quick` has fewer repetitions, and messages out of "
            "the first device alone: about a third of the time, less certain"
        ),
    ] = "full"
    # No results file holds a larger number.
    seed: Annotated[
        int,
        Meta(
            ge=-(2**63),
            le=2**63 - 1,
            description="seed of the cells' order, the loads and the jitter of emulated links",
        ),
    ] = 0
    wait_s: Annotated[float, Meta(ge=0, le=1e7, description="longest wait for a device, in seconds")] = 30.0
    trial_timeout_s: Annotated[float, Meta(gt=0, le=1e7, description="a trial longer than this is void")] = (
        300.0
    )
    on_failure: Annotated[
        Literal["stop", "skip", "wait"],
        Meta(
            description="after a void trial: `stop` the sweep; `skip` the cells of a device that stays away "
            "for `wait_s`; or `wait` that long for all devices, and retry, three times at most"
        ),
    ] = "stop"
    on_throttle: Annotated[
        Literal["flag", "wait", "void"],
        Meta(
            description="a trial in which a Raspberry Pi slowed itself down: `flag`: count it, with a flag "
            "in its telemetry; `void`: do not count it; `wait`: do not count it, and retry once the device "
            "has cooled down, three times at most"
        ),
    ] = "flag"
    cool_to_c: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="before each trial, wait until none of its devices is warmer than this"),
    ] = None
    cool_wait_s: Annotated[
        float, Meta(ge=0, description="longest wait for a device to cool down, in seconds")
    ] = 600.0

    def network_names(self) -> tuple[str, ...]:
        """Networks in the order in which they are run."""
        return tuple(p if isinstance(p, str) else p.name for p in self.networks)

    def grid(self, network: str) -> Grid:
        """What is crossed under `network`.

        Raises:
            ExperimentError: A codec that there is not.
        """
        own = next((p for p in self.networks if isinstance(p, NetworkGrid) and p.name == network), None)

        def listed(key: str) -> Any:
            value = getattr(own, key, UNSET)
            return getattr(self, key) if value is UNSET else value

        values = {setting: listed(key) for setting, key in DIMENSIONS.items()}
        values["codec"] = tuple(choice_of(codec, "key 'codecs'") for codec in values["codec"])
        values["threads"] = self.compared_threads()
        values["source"] = (self.source,)
        values["planted"] = (planted_text(self.planted),)
        return Grid(splits=listed("splits"), values=values)

    def check(self) -> None:
        """Check what the types of the keys cannot.

        Raises:
            ExperimentError: Names the key and what is allowed.
        """
        for one, other in _EXCLUDING:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ExperimentError(f"keys {one!r} and {other!r} exclude each other; keep one")
        names = self.network_names()
        for name in names:
            if names.count(name) > 1:
                raise ExperimentError(f"key 'networks' names {name!r} twice")
            self._check_grid(self.grid(name))
        for objective in self.objectives:
            if self.objectives.count(objective) > 1:
                raise ExperimentError(f"key 'objectives' names {objective!r} twice; name each once")
        if isinstance(self.trials, TrialsUntil):
            self._check_until(self.trials)

    def _check_grid(self, grid: Grid) -> None:
        depths, loads = grid.values["depth"], grid.values["load"]
        rule = grid.splits
        if isinstance(rule, SplitRule) and (rule.at_most is UNSET) == (rule.each is UNSET):
            raise ExperimentError("key 'splits' takes one rule: {at_most: N} or {each: PATTERN}")
        if isinstance(grid.splits, str) and grid.splits not in _NAMED_SPLITS:
            raise ExperimentError(
                f"key 'splits' is {grid.splits!r}; allowed: {', '.join(_NAMED_SPLITS)}, "
                f"{{at_most: N}}, {{each: PATTERN}}, or a list of cut indices or module paths"
            )
        if isinstance(self.requests, dict):
            for depth in (*depths, *([1] if SINGLE in loads else ())):
                if depth not in self.requests and depth != AUTO:
                    raise ExperimentError(f"key 'requests' has no entry for depth {depth}")
        for load in loads:
            quantile = parse_load(load).quantile
            if quantile is not None and self.requests is not None and self.duration_s is None:
                check_requests(load, quantile, min(map(self._requested_at, depths)))

    def _check_until(self, trials: TrialsUntil) -> None:
        if trials.least > trials.most:
            raise ExperimentError(
                f"key 'trials' has least {trials.least} and most {trials.most}; least must not be more"
            )
        if set(self.objectives).isdisjoint(TIMED):
            raise ExperimentError(
                "key 'trials' has 'until', which waits for answers for latency and throughput, but "
                "'objectives' has neither: add one of them, or give a number of trials"
            )
        for name in self.network_names():
            values = self.grid(name).values
            if SINGLE not in values["load"] and (OFFLINE not in values["load"] or 1 not in values["depth"]):
                raise ExperimentError(
                    f"key 'trials' has 'until', but network {name!r} has no answer that could be sure: add 1 "
                    f"to 'depths' and 'offline' to 'loads', or give a number of trials"
                )

    @property
    def trials_wanted(self) -> TrialsWanted:
        """How many trials cells are to have, before any has run."""
        if isinstance(self.trials, int):
            return TrialsWanted(self.trials, self.trials)
        return TrialsWanted(self.trials.least, self.trials.most, self.trials.until)

    def closed_run(self, cell: Settings) -> Run:
        """A trial of a cell, as it is in a closed loop."""
        return Run(
            requests=self.requests_of(cell),
            duration_s=self.duration_s,
            timeout_s=self.trial_timeout_s,
        )

    @property
    def may_lengthen(self) -> bool:
        """Whether trials under an open load are as long as their mean latency needs."""
        return self.requests is None and self.duration_s is None

    def threads_on(self, device: str, own: int, compared: int | None) -> int:
        """Threads of a stage on `device`, whose inventory says `own`; `compared` is its cell's."""
        if isinstance(self.threads, dict):
            return self.threads.get(device, own)
        return compared or (self.threads if isinstance(self.threads, int) else own)

    def compared_threads(self) -> tuple[int | None, ...]:
        """The threads of cells: those to compare, or None where all cells have what there is."""
        return self.threads if isinstance(self.threads, tuple) else (None,)

    def requests_of(self, cell: Settings) -> int:
        """The fewest requests of a cell's trial that count: a multiple of its depth."""
        depth = max(1, cell.depth)
        fewest = self._requested_at(depth)
        if self.requests is None and (quantile := parse_load(cell.load).quantile):
            fewest = max(fewest, SAMPLES_NEEDED[quantile])
        return -(-fewest // depth) * depth

    def _requested_at(self, depth: int | Literal["auto"]) -> int:
        """What the experiment says for a depth, or its default; of `auto` the fewest that it may be."""
        requested = self.requests
        if isinstance(requested, dict):
            requested = None if depth == AUTO else requested.get(depth)
        return requested or max(_REQUESTS, 0 if depth == AUTO else _ROUNDS * depth)


def load_experiment(path: Path) -> Experiment:
    """Read an experiment file and check what the schema alone cannot.

    Raises:
        ExperimentError: Names the file, the key and what is allowed.
    """
    experiment = load_yaml(path, Experiment, "experiment")
    try:
        experiment.check()
    except ExperimentError as error:
        raise ExperimentError(f"experiment {path}: {error}") from error
    return experiment
