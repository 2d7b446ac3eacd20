"""When a network has had enough blocks, and for which cells the next one is.

With `trials: {least, most, until}` every cell has its least trials first. From then on, before each block:
how sure is the answer for each bundle and objective, and which cells could still change it? These alone get
another trial, until the answer is sure, or the split that it names has had its most trials. A posterior
distribution says so, which needs no correction for repeated looks (`controller.statistics.certainty`). It is
that of the report on the same trials (`controller.statistics.series`). Capacities are taken as measured: no
further trial tells whether a bound is one. Of the experiment's objectives only latency and throughput count:
accuracy and payload are exact, and it does not wait for memory.

A look follows from the blocks before it alone, so a resumed sweep decides as an uninterrupted one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from controller.experiment.load import OFFLINE
from controller.results import (
    TIMED,
    BaselineTrial,
    Cell,
    Look,
    Objective,
    Sentinel,
    Store,
    TrialsWanted,
    comparison_block,
)
from controller.results.capability import Capability, capabilities
from controller.results.drifts import drift_variances
from controller.results.limits import baseline_shares, latency_shares, throughput_shares
from controller.results.metrics import (
    SAMPLES_NEEDED,
    baseline_latency_s,
    baseline_throughput_per_s,
    latency_s,
    throughput_per_s,
)
from controller.statistics.series import Figure, Series, answered

__all__ = ["StoppingRule"]

_Figures = dict[str, dict[int, Figure]]
"""By cell and block."""


@dataclass(frozen=True)
class _Verdict:
    """What a look says of one answer.

    Attributes:
        sure: How sure it is; 0 while the noise is unknown.
        chosen: Id of the cell that it names; None while the noise is unknown.
        open: Ids of the cells that could still change it.
        same: How many splits are, all of them together and with the requested probability, within 2 % of the
            best.
    """

    sure: float
    chosen: str | None
    open: frozenset[str]
    same: int


@dataclass
class StoppingRule:
    """Looks at networks' answers as their trials come in."""

    store: Store
    wanted: TrialsWanted
    _latencies: _Figures = field(default_factory=dict)
    _rates: _Figures = field(default_factory=dict)
    _last_trial: int | None = None

    def look(self, network: str, block: int) -> Look | None:
        """Look at a network before a block; None before the least trials, and where their number is given."""
        if self.wanted.until is None or block < self.wanted.least:
            return None
        cells = self.store.cells()
        self._read({cell.id: cell for cell in cells})
        cells = [cell for cell in cells if cell.network == network]
        verdicts = list(self._verdicts(cells, network, block, self.wanted.until))
        done = {cell.id: len(_before(block, self._rates.get(cell.id, {}))) for cell in cells}
        most = self.wanted.most
        worth = {
            identity
            for verdict in verdicts
            if verdict.chosen is None or done[verdict.chosen] < most
            for identity in verdict.open
        }
        is_open = tuple(sorted(identity for identity in worth if done[identity] < most))
        goes_on = is_open or any(trials < self.wanted.least for trials in done.values())
        sure = min((verdict.sure for verdict in verdicts), default=None)
        return Look(network, block, is_open, sure, None if goes_on else _reason(verdicts))

    def _read(self, cells: Mapping[str, Cell]) -> None:
        """Take in the figures of new trials."""
        states = self.store.found_devices().states()
        for trial in self.store.trials(after=self._last_trial):
            self._last_trial = trial.id
            cell, block = cells[trial.cell], comparison_block(trial.number, states[trial.environment])
            rate = throughput_per_s(trial, cell.batch)
            self._rates.setdefault(cell.id, {})[trial.number] = Figure(block, rate, throughput_shares(trial))
            enough = len(trial.endpoint) >= SAMPLES_NEEDED["p50"]
            latency = Figure(block, latency_s(trial) if enough else None, latency_shares(trial))
            self._latencies.setdefault(cell.id, {})[trial.number] = latency

    def _verdicts(self, cells: Sequence[Cell], network: str, block: int, until: float) -> Iterator[_Verdict]:
        """Of each bundle's answers; candidates are those of a capability front."""
        timed = [objective for objective in self.store.objectives() if objective in TIMED]
        found = self.store.found_devices()
        sentinels = [(e, s) for e, s in self.store.taken(Sentinel, network=network) if s.block < block]
        drifts = drift_variances(sentinels, found, network)
        states = found.states()
        taken = self.store.taken(BaselineTrial, network=network)
        baselines = [(states[environment], b) for environment, b in taken if b.number < block]
        for bundle in dict.fromkeys(cell.bundle for cell in cells):
            splits = self._splits([cell for cell in cells if cell.bundle == bundle], block)
            of_bundle = [(state, trial) for state, trial in baselines if trial.bundle == bundle]
            for objective in timed:
                series = [s for split in splits if (s := self._series(split, objective, block)).figures]
                if series:
                    yield _verdict(series, _of_baselines(of_bundle, objective), objective, drifts, until)

    def _splits(self, cells: Sequence[Cell], block: int) -> list[Capability]:
        """Those with trials before a block."""
        closed = [cell for cell in cells if cell.load == OFFLINE]
        rates = {cell.id: _before(block, self._rates.get(cell.id, {})) for cell in closed}
        medians = {key: median(f.value or 0.0 for f in figures) for key, figures in rates.items() if figures}
        return capabilities(closed, medians)

    def _series(self, split: Capability, objective: Objective, block: int) -> Series:
        """Of the cell that stands for a split: the unloaded one for latency, else the one that had most."""
        if objective == "latency":
            return Series.of(split.unloaded.id, _before(block, self._latencies[split.unloaded.id]))
        return Series.of(split.fastest.id, _before(block, self._rates[split.fastest.id]))


def _before(block: int, figures: Mapping[int, Figure]) -> list[Figure]:
    """In the order of blocks."""
    return [figures[number] for number in sorted(figures) if number < block]


def _of_baselines(trials: Sequence[tuple[int, BaselineTrial]], objective: Objective) -> list[Series]:
    """Of trials, each with the state of the lab in which it was taken."""
    groups: dict[str, list[Figure]] = {}
    for state, trial in trials:
        key = f"{trial.device}, batch {trial.batch}, threads {trial.threads}"
        of = baseline_latency_s if objective == "latency" else baseline_throughput_per_s
        block = comparison_block(trial.number, state)
        groups.setdefault(key, []).append(Figure(block, of(trial), baseline_shares(trial)))
    return [Series.of(key, figures) for key, figures in groups.items()]


def _verdict(
    splits: Sequence[Series],
    baselines: Sequence[Series],
    objective: Objective,
    drifts: Mapping[tuple[str, ...], float],
    until: float,
) -> _Verdict:
    keys = frozenset(series.key for series in splits)
    if len(keys) == 1:
        return _Verdict(1.0, splits[0].key, frozenset(), 1)
    answer = answered(splits, baselines, maximise=objective == "throughput", drifts=drifts)
    if answer is None:
        return _Verdict(0.0, None, keys, 0)
    rows, posterior = list(answer.figures.rows), answer.posterior
    is_open = posterior.could_change(until)
    names = frozenset(name for name, still in zip(rows, is_open, strict=True) if still)
    return _Verdict(posterior.probability, rows[posterior.chosen], names, len(posterior.same(until)))


def _reason(verdicts: Sequence[_Verdict]) -> str:
    """Why no further block is worth it."""
    if not verdicts:
        return "no answer"
    if any(verdict.open for verdict in verdicts):
        return "most trials"
    return "same within 2 %" if any(verdict.same > 1 for verdict in verdicts) else "sure"
