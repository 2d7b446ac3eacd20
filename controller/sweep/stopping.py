"""When a network has had enough blocks, and for which cells the next one is.

With `trials: {least, most, until}` every cell has its least trials first. From then on, before each block:
how sure is the answer for each bundle and objective, and which cells could still change it? These alone get
another trial, until the answer is sure, or the split that it names has had its most trials. A posterior
distribution says so, which needs no correction for repeated looks (`controller.statistics.certainty`).
Capacities are taken as measured: no further trial tells whether a bound is one. Of the experiment's
objectives only latency and throughput count: accuracy and payload are exact, and it does not wait for memory.

A look follows from the trials of the blocks before it alone, so a resumed sweep decides as an uninterrupted
one.
"""

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.experiment.load import OFFLINE
from controller.results import TIMED, Cell, Look, Store, TrialsWanted
from controller.results.metrics import (
    SAMPLES_NEEDED,
    computing_shares,
    latency_s,
    limiting_share,
    throughput_per_s,
)
from controller.statistics.block_model import fit_blocks
from controller.statistics.certainty import Posterior, posterior
from controller.statistics.spread import moderated_spread
from controller.sweep.search.candidates import Candidate, candidates_of

__all__ = ["StoppingRule", "answer_of"]

Floats = NDArray[np.float64]

_DRAWS: Final = 500
"""Of the variances."""


def answer_of(figures: Floats, shares: Floats | None, rng: np.random.Generator) -> Posterior | None:
    """How sure it is which cell has the least of a log figure; None while the noise is unknown.

    Args:
        figures: [cell, block]; NaN where a cell has no figure in a block. Each cell has one in some block.
        shares: [cell, device], see `fit_blocks`.
    """
    fit = fit_blocks(figures, shares)
    try:
        spread = moderated_spread(fit, rng, _DRAWS)
    except ValueError:
        return None
    return posterior(fit, spread, rng)


@dataclass(frozen=True)
class _Figure:
    """Of a cell in a block: a log figure of which less is better, and how far it is each device's doing."""

    value: float
    shares: Mapping[str, float]


@dataclass(frozen=True)
class _Verdict:
    """What a look says of one answer.

    Attributes:
        sure: How sure it is; 0 while the noise is unknown.
        chosen: Id of the cell that it names; None while the noise is unknown.
        open: Ids of the cells that could still change it.
        same: How many splits are, all of them together and as surely as asked for, within 2 % of the best.
    """

    sure: float
    chosen: str | None
    open: frozenset[str]
    same: int


@dataclass
class StoppingRule:
    """Looks at networks' answers as their trials come in.

    Attributes:
        seed: Of what is drawn from posterior distributions.
    """

    store: Store
    wanted: TrialsWanted
    seed: int
    _latencies: dict[str, dict[int, _Figure]] = field(default_factory=dict)
    _rates: dict[str, dict[int, _Figure]] = field(default_factory=dict)
    _last_trial: int = 0

    def look(self, network: str, block: int) -> Look | None:
        """Look at a network before a block; None before the least trials, and where their number is given."""
        if self.wanted.until is None or block < self.wanted.least:
            return None
        cells = self.store.cells()
        self._read({cell.id: cell for cell in cells})
        cells = [cell for cell in cells if cell.network == network]
        verdicts = list(self._verdicts(cells, block, self.wanted.until))
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
        for trial in self.store.trials(after=self._last_trial):
            self._last_trial = trial.id
            cell = cells[trial.cell]
            rate = throughput_per_s(trial, cell.batch)
            self._rates.setdefault(cell.id, {})[trial.number] = _Figure(
                -math.log(rate), limiting_share(trial)
            )
            if len(trial.endpoint) >= SAMPLES_NEEDED["p50"]:
                latency = _Figure(math.log(latency_s(trial)), computing_shares(trial))
                self._latencies.setdefault(cell.id, {})[trial.number] = latency

    def _verdicts(self, cells: Sequence[Cell], block: int, until: float) -> Iterator[_Verdict]:
        """Of each bundle's answers; candidates are those of a capability front."""
        timed = [objective for objective in self.store.objectives() if objective in TIMED]
        for bundle in dict.fromkeys(cell.bundle for cell in cells):
            closed = [cell for cell in cells if cell.bundle == bundle and cell.load == OFFLINE]
            candidates = [each for each in candidates_of(closed) if each.shallow.depth == 1]
            for objective in timed:
                rows = self._rows(candidates, objective, block)
                if rows:
                    text = f"{self.seed}:{cells[0].network}:{bundle}:{objective}:{block}"
                    yield _verdict(rows, until, np.random.default_rng(zlib.crc32(text.encode())))

    def _rows(
        self, candidates: Sequence[Candidate], objective: str, block: int
    ) -> dict[str, dict[int, _Figure]]:
        """Figures of the cell that stands for each candidate, by its id and by block: those before `block`.

        It is the unloaded one for latency, for throughput the one that had most.
        """
        rows = {}
        for candidate in candidates:
            if objective == "latency":
                known = [
                    (candidate.shallow.id, _before(block, self._latencies.get(candidate.shallow.id, {})))
                ]
            else:
                known = [(cell.id, _before(block, self._rates.get(cell.id, {}))) for cell in candidate.cells]
            known = [(identity, figures) for identity, figures in known if figures]
            if known:
                identity, figures = min(known, key=lambda one: median(f.value for f in one[1].values()))
                rows[identity] = figures
        return rows


def _before(block: int, figures: Mapping[int, _Figure]) -> dict[int, _Figure]:
    return {number: figure for number, figure in figures.items() if number < block}


def _verdict(rows: Mapping[str, Mapping[int, _Figure]], until: float, rng: np.random.Generator) -> _Verdict:
    if len(rows) == 1:
        return _Verdict(1.0, next(iter(rows)), frozenset(), 1)
    answer = answer_of(*_arrays(rows), rng)
    if answer is None:
        return _Verdict(0.0, None, frozenset(rows), 0)
    is_open = answer.could_change(until)
    names = frozenset(name for name, still in zip(rows, is_open, strict=True) if still)
    return _Verdict(answer.probability, list(rows)[answer.chosen], names, len(answer.same(until)))


def _arrays(rows: Mapping[str, Mapping[int, _Figure]]) -> tuple[Floats, Floats]:
    """Figures [cell, block] and mean shares [cell, device]."""
    blocks = sorted({number for figures in rows.values() for number in figures})
    devices = sorted({name for figures in rows.values() for one in figures.values() for name in one.shares})
    values = np.full((len(rows), len(blocks)), np.nan)
    shares = np.zeros((len(rows), len(devices)))
    for i, figures in enumerate(rows.values()):
        for number, figure in figures.items():
            values[i, blocks.index(number)] = figure.value
        for j, name in enumerate(devices):
            shares[i, j] = fmean(figure.shares.get(name, 0.0) for figure in figures.values())
    return values, shares


def _reason(verdicts: Sequence[_Verdict]) -> str:
    """Why no further block is worth it."""
    if not verdicts:
        return "no answer"
    if any(verdict.open for verdict in verdicts):
        return "most trials"
    return "same within 2 %" if any(verdict.same > 1 for verdict in verdicts) else "sure"
