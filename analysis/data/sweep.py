"""Read and measure a results file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from analysis.data.splits import Split, describe
from analysis.data.telemetry import Moment, TrialTelemetry, moments, shown_every, summary
from analysis.data.timeline import Bar, Timelines
from analysis.data.trial_metrics import TrialMeasures, measure
from analysis.errors import AnalysisError, ResultsError
from analysis.statistics.estimates import Estimate, estimate, in_the_long_run
from analysis.statistics.objectives import Objective
from controller.errors import ControllerError, edgecut_command
from controller.results import (
    OFFLINE,
    TIMED,
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    DeviceRow,
    FoundDevices,
    MeasuredLink,
    Predicted,
    Profiling,
    ReferenceBox,
    Results,
    Saturation,
    Scope,
    Sentinel,
    TrialsWanted,
    coded_as,
    comparison_block,
)
from controller.results.drifts import Drifted, drifts
from controller.results.limits import baseline_shares
from controller.results.metrics import baseline_latency_s, baseline_throughput_per_s
from controller.statistics.series import Figure, Series

__all__ = ["OFFLINE", "Baseline", "CellResult", "Network", "Sweep", "Void", "baseline_name", "load"]


@dataclass(frozen=True)
class Network:
    """A network as the experiment requests it. `shaping` is how it was imposed: `emulated`, `tc`, `none`."""

    name: str
    shaping: str
    requested: Mapping[str, Any]


@dataclass(frozen=True)
class Void:
    """A trial that does not count, and why."""

    cell: Cell
    number: int
    reason: str
    device: str | None
    at: str


@dataclass(frozen=True)
class Baseline:
    """The whole model alone on one device, in the blocks of one network.

    Attributes:
        latency: Seconds a batch (p50), over trials.
        throughput: Samples a second, over trials.
        shares: By device, how much of its changes the figures take part in.
    """

    model: str
    network: str
    bundle: str
    device: str
    batch: int
    threads: int
    latency: Estimate
    throughput: Estimate
    shares: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return baseline_name(self.device)

    @property
    def key(self) -> str:
        """What tells it from the other baselines of its network."""
        return f"{self.device} alone, batch {self.batch}, threads {self.threads}, {self.network}"

    def series(self, objective: Objective) -> Series:
        """The figure that an answer is compared with, by block."""
        figure = self.throughput if objective == "throughput" else self.latency
        return Series(self.key, dict(zip(figure.blocks, figure.values, strict=True)), self.shares)


def baseline_name(device: str) -> str:
    """What a baseline is called in labels and sentences."""
    return f"plain ONNX Runtime on {device}"


@dataclass(frozen=True)
class CellResult:
    """A wanted cell and what was measured of it, if anything.

    Attributes:
        is_flat: Throughput is flat at its depth, as the sweep found (`Saturation.is_flat`).
    """

    cell: Cell
    split: Split
    trials: tuple[TrialMeasures, ...]
    voids: int
    accuracy: Accuracy | CodecAccuracy | None
    is_flat: bool = False

    def latency(self, name: str = "p50") -> Estimate:
        """A quantile of latency, seconds, over trials."""
        return self._estimate([t.latency[name] for t in self.trials])

    @property
    def latency_mean(self) -> Estimate:
        """Mean latency, seconds, over trials; under an open load in the long run."""
        steady = [t.course.steady for t in self.trials]
        if any(steady):
            return in_the_long_run([each.latency_mean_s if each else None for each in steady])
        return self.over_trials("latency_mean_s")

    @property
    def utilisation(self) -> Estimate:
        """Of the highest rate that the pipeline could take, over trials; nothing in a closed loop."""
        return estimate([t.course.steady.utilisation.value if t.course.steady else None for t in self.trials])

    @property
    def rate(self) -> Estimate:
        """Offered requests a second; of a search the highest rate that keeps its bound."""
        if any(t.course.attempts for t in self.trials):
            return in_the_long_run([t.course.highest for t in self.trials])
        return estimate([t.course.rate_per_s for t in self.trials])

    @property
    def throughput(self) -> Estimate:
        """Samples a second over trials."""
        return self.over_trials("throughput_per_s")

    @property
    def payload(self) -> Estimate:
        """Bytes a sample that its links carry, after the codecs, over trials."""
        return self._estimate([t.encoded_bytes / self.cell.batch for t in self.trials])

    @property
    def memory(self) -> Estimate:
        """Memory of the worker that has most, at its fullest, over trials: without what it shares."""
        return self.over_trials("memory_bytes")

    @property
    def load(self) -> str:
        """The load in words: a closed loop of depth 1 is `single`."""
        return "single" if (self.cell.load, self.cell.depth) == (OFFLINE, 1) else self.cell.load

    @property
    def unstable(self) -> int:
        """Trials whose latency changed while they ran."""
        return sum(t.course.stable is False for t in self.trials)

    @property
    def overloaded(self) -> int:
        """Trials in which requests came faster than results."""
        return sum(t.course.overloaded for t in self.trials)

    @property
    def bound_missed(self) -> int:
        """Trials in which no rate kept the bound on latency."""
        return sum(t.course.bound_kept is False for t in self.trials)

    @property
    def bottlenecks(self) -> tuple[str, ...]:
        """What limited its trials, where that is known, without repeats."""
        return tuple(dict.fromkeys(t.bottleneck for t in self.trials if t.bottleneck is not None))

    def over_trials(self, name: str) -> Estimate:
        """A figure of `TrialMeasures`, by its name, over trials."""
        return self._estimate([getattr(t, name) for t in self.trials])

    def _estimate(self, figures: Sequence[float | None]) -> Estimate:
        return estimate(figures, [t.block for t in self.trials])

    def series(self, objective: Objective) -> Series:
        """Its latency, throughput or else memory by block, as answers and comparisons rest on it."""
        if objective == "latency":
            figures = [Figure(t.block, t.latency["p50"], t.latency_shares) for t in self.trials]
        elif objective == "throughput":
            figures = [Figure(t.block, t.throughput_per_s, t.throughput_shares) for t in self.trials]
        else:
            figures = [Figure(t.block, t.memory_bytes) for t in self.trials]
        return Series.of(self.cell.id, figures)

    def by_stage(self, share: Literal["busy", "occupied"]) -> dict[str, Estimate]:
        """A share of each stage over trials."""
        stages = [hop.stage for hop in self.trials[0].hops] if self.trials else []
        return {
            name: estimate([getattr(t.hops[i], share) for t in self.trials]) for i, name in enumerate(stages)
        }

    def by_way(self, bound: Literal["least", "most"]) -> dict[str, Estimate]:
        """A bound of the share of the time in which each way between two devices was in use, over trials."""
        uses = [t.link_use for t in self.trials]
        return {
            way: estimate([getattr(use[way], bound, None) for use in uses])
            for way in (uses[0] if uses else ())
        }


@dataclass(frozen=True)
class Sweep:
    """Everything that a results file holds, measured.

    Attributes:
        wanted: How many trials cells are to have.
        found: Its devices as each environment found them.
        sentinels: Each with the number of its environment.
        objectives: What its answers are for, in this order.
        dominance: By which points of its fronts dominate; none: latency and throughput, accuracy where codecs
            make a difference, and the other objectives.
        seed: Of what is drawn from its trials.
        left_out: A line for each row of a trial that no sweep wrote.
        timelines: By the id of each deep cell in a closed loop, the bars of its first trial.
    """

    path: Path
    experiment: Mapping[str, Any]
    wanted: TrialsWanted
    environments: tuple[tuple[int, str, Mapping[str, Any]], ...]
    found: FoundDevices
    manifests: Mapping[str, Mapping[str, Any]]
    networks: tuple[Network, ...]
    cells: tuple[CellResult, ...]
    baselines: tuple[Baseline, ...]
    accuracies: tuple[Accuracy, ...]
    sentinels: tuple[tuple[int, Sentinel], ...]
    voids: tuple[Void, ...]
    links: tuple[MeasuredLink, ...] = ()
    codec_accuracies: tuple[CodecAccuracy, ...] = ()
    objectives: tuple[Objective, ...] = TIMED
    dominance: tuple[Objective, ...] = ()
    seed: int = 0
    scopes: tuple[Scope, ...] = ()
    profilings: tuple[Profiling, ...] = ()
    predicted: tuple[Predicted, ...] = ()
    moments: tuple[Moment, ...] = ()
    left_out: tuple[str, ...] = ()
    timelines: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    boxes: tuple[ReferenceBox, ...] = ()

    @property
    def finished(self) -> int:
        """Finished trials of all cells."""
        return sum(len(c.trials) for c in self.cells)

    @property
    def missing(self) -> int:
        """Trials that the experiment asks for and that are not finished, as far as is known."""
        return sum(map(self.missing_of, self.cells))

    def missing_of(self, result: CellResult) -> int:
        """The same of one cell."""
        return self.wanted.missing(result.cell, len(result.trials))

    def node_count(self, bundle: str) -> int:
        """Nodes of a bundle's graph; a cut there means that all stays before it."""
        return int(self.manifests[bundle]["node_count"])

    def groups(self) -> list[tuple[str, Network]]:
        """Every (bundle, network) that has a requested cell, in the experiment's order of networks."""
        requested = {(c.cell.bundle, c.cell.network) for c in self.cells}
        return [(b, p) for b in self.manifests for p in self.networks if (b, p.name) in requested]

    def of(self, bundle: str, network: str) -> list[CellResult]:
        """The cells of one bundle under one network."""
        return [c for c in self.cells if c.cell.bundle == bundle and c.cell.network == network]

    def box(self, bundle: str, network: str) -> ReferenceBox | None:
        """What a hypervolume is a share of; None where an end or a baseline has no trial."""
        return next((b for b in self.boxes if (b.bundle, b.network) == (bundle, network)), None)

    @property
    def devices(self) -> tuple[DeviceRow, ...]:
        """Each device as it was found last; its kind and settings are those of all trials."""
        return self.found.last

    @property
    def drifts(self) -> list[Drifted]:
        """Its sentinels' changes."""
        return drifts(self.sentinels, self.found)

    def trials_in(self, environments: Collection[int]) -> int:
        """The number of finished trials that these environments hold for."""
        return sum(t.environment in environments for c in self.cells for t in c.trials)

    def split_of(self, cell: Cell) -> Split:
        """What a cell's split does, in words."""
        return next(c.split for c in self.cells if c.cell.id == cell.id)

    def input_bytes(self, bundle: str) -> int | None:
        """Bytes of one sample's raw input, as an offloading cell sent them; None where none was run."""
        for result in self.cells:
            sends_it = result.split.computing[0] != result.cell.devices[0]
            if result.cell.bundle == bundle and sends_it and result.trials:
                return result.trials[0].first_payload_bytes // result.cell.batch
        return None

    def title(self, bundle: str) -> str:
        """What tells a bundle from the sweep's others: its model, or its folder where several are of one.

        Bundles of one model whose folders have one name, too, are told apart by their digests.
        """
        model = self._model(bundle)
        same = [b for b in self.manifests if self._model(b) == model]
        if len(same) == 1:
            return model
        folders: dict[str, str] = {
            b: name for _, _, stamp in self.environments for b, name in stamp.get("bundles", {}).items()
        }
        folder = folders.get(bundle)
        if folder and list(folders.values()).count(folder) == 1 and folder not in self._lone_models():
            return folder
        return f"{model} ({bundle[:8]})"

    def _model(self, bundle: str) -> str:
        return str(self.manifests[bundle].get("model", bundle[:8]))

    def _lone_models(self) -> set[str]:
        """Models that have one bundle, which is called by the model's name."""
        models = list(map(self._model, self.manifests))
        return {model for model in models if models.count(model) == 1}


def load(path: Path, *, objectives: tuple[Objective, ...] = (), seed: int = 0) -> Sweep:
    """Read and measure the results file at `path`; a sweep may still be writing to it.

    Args:
        objectives: What answers are for, and by which points of fronts dominate; none: the experiment's.
        seed: Of what is drawn from the trials.

    Raises:
        StoreError: There is no such file, or it is not a results file.
        ResultsError: No trial has finished yet, or the file is not whole.
    """
    try:
        return _load(path, objectives, seed)
    except (AnalysisError, ControllerError):
        raise
    except Exception as error:
        # Rows are typed, but what they mean together may still be nonsense.
        raise ResultsError(
            f"{path} cannot be read as results of this edgecut ({type(error).__name__}: {error}); "
            f"for details run {edgecut_command('check', path)}"
        ) from error


def _load(path: Path, objectives: tuple[Objective, ...], seed: int) -> Sweep:
    with Results.open(path) as store:
        experiment, found = store.experiment(), store.found_devices()
        states = found.states()
        cells = {cell.id: cell for cell in store.cells()}
        measured: dict[str, list[TrialMeasures]] = {identity: [] for identity in cells}
        telemetry: list[TrialTelemetry] = []
        first_deep: dict[str, int] = {}
        every = shown_every(len(store.finished()))
        for position, trial in enumerate(store.trials()):
            cell, samples = cells[trial.cell], list(store.telemetry(trial.id))
            figures = measure(trial, cell.batch, samples, state=states[trial.environment])
            if not measured[cell.id] and cell.load == OFFLINE and cell.depth > 1:
                first_deep[cell.id] = trial.id
            measured[cell.id].append(figures)
            if position % every == 0:
                at = datetime.fromisoformat(trial.started_at)
                telemetry.append(TrialTelemetry(cell, at, summary(samples, trial, cell)))
        if not any(measured.values()):
            left_out = "".join(f"; {line}" for line in store.warnings)
            raise ResultsError(
                f"{path} has no finished trial ({len(cells)} cells requested); run the sweep first{left_out}"
            )
        manifests = store.bundles()
        accuracies = tuple(store.rows(Accuracy))
        codec_accuracies = tuple(store.rows(CodecAccuracy))
        voids = tuple(Void(cells[c], n, reason, device, at) for c, n, reason, device, at in store.voids())
        return Sweep(
            path=path,
            experiment=experiment,
            wanted=store.trials_wanted(),
            environments=tuple(store.environments()),
            found=found,
            manifests=manifests,
            networks=tuple(Network(*row) for row in store.networks()),
            cells=_cell_results(
                cells, measured, manifests, accuracies, codec_accuracies, voids, store.rows(Saturation)
            ),
            baselines=_baselines(store.taken(BaselineTrial), states),
            accuracies=accuracies,
            codec_accuracies=codec_accuracies,
            sentinels=tuple(store.taken(Sentinel)),
            voids=voids,
            # The last of each direction under each network: a resumed sweep measures again.
            links=tuple({(k.network, k.sender, k.receiver): k for k in store.rows(MeasuredLink)}.values()),
            objectives=objectives or store.objectives(),
            dominance=objectives,
            seed=seed,
            scopes=tuple(store.rows(Scope)),
            profilings=tuple(store.rows(Profiling)),
            predicted=tuple(store.rows(Predicted)),
            moments=moments(telemetry),
            left_out=tuple(store.warnings),
            timelines=Timelines(path, first_deep),
            boxes=tuple(store.rows(ReferenceBox)),
        )


def _cell_results(
    cells: Mapping[str, Cell],
    measured: Mapping[str, list[TrialMeasures]],
    manifests: Mapping[str, Mapping[str, Any]],
    accuracies: tuple[Accuracy, ...],
    codec_accuracies: tuple[CodecAccuracy, ...],
    voids: tuple[Void, ...],
    saturations: Sequence[Saturation],
) -> tuple[CellResult, ...]:
    by_split = {(a.bundle, a.cuts): a for a in accuracies}
    coded = {coded_as(a): a for a in codec_accuracies}
    labels = _labels(cells, manifests)
    flat = {saturation.cell for saturation in saturations if saturation.is_flat}
    results = []
    for identity, cell in cells.items():
        trials = tuple(sorted(measured[identity], key=lambda t: t.number))
        node_count = int(manifests[cell.bundle]["node_count"])
        split = describe(
            cell.cuts,
            labels[identity],
            cell.devices,
            node_count,
            codec=cell.codec,
            topology=cell.topology,
            threads=cell.threads,
            backend=cell.backend,
        )
        failed = sum(v.cell.id == identity for v in voids)
        accuracy = (
            by_split.get((cell.bundle, cell.cuts)) if cell.codec == "none" else coded.get(coded_as(cell))
        )
        results.append(CellResult(cell, split, trials, failed, accuracy, identity in flat))
    return tuple(results)


def _labels(cells: Mapping[str, Cell], manifests: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Each cell's label, with its cuts behind it where another split of the bundle has the same."""
    splits: dict[tuple[str, str], set[tuple[int, ...]]] = {}
    for cell in cells.values():
        splits.setdefault((cell.bundle, cell.label), set()).add(cell.cuts)
    return {
        identity: cell.label
        if len(splits[cell.bundle, cell.label]) == 1
        else f"{cell.label} @{','.join(map(str, cell.cuts))}"
        for identity, cell in cells.items()
    }


def _baselines(taken: Sequence[tuple[int, BaselineTrial]], states: Mapping[int, int]) -> tuple[Baseline, ...]:
    """Of baselines, each with its environment."""
    groups: dict[tuple[str, str, str, str, int, int], dict[int, BaselineTrial]] = {}
    for environment, row in taken:
        key = (row.model, row.network, row.bundle, row.device, row.batch, row.threads)
        groups.setdefault(key, {})[comparison_block(row.number, states[environment])] = row
    return tuple(
        Baseline(
            *key,
            latency=estimate(list(map(baseline_latency_s, trials.values())), list(trials)),
            throughput=estimate(list(map(baseline_throughput_per_s, trials.values())), list(trials)),
            shares=baseline_shares(next(iter(trials.values()))),
        )
        for key, trials in groups.items()
    )
