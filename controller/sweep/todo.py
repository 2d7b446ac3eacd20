"""Pending work: what of a sweep its results file lacks."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from controller.experiment.resolve import ResolvedExperiment, is_chosen
from controller.results import (
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    Look,
    Results,
    Scope,
    Store,
    Trial,
    coded_as,
)
from controller.sweep.search.candidates import candidates_of
from worker.wire.codecs import NO_CODEC

__all__ = ["BaselineKey", "PendingWork", "register"]


class BaselineKey(NamedTuple):
    """What a baseline is of; `threads` where the experiment compares several numbers of them."""

    network: str
    bundle: str
    device: str
    batch: int
    threads: int | None


class PendingWork:
    """Pending work: trials, baselines and accuracies that are not in the results file.

    `note` tells it of rows that are written later.

    Attributes:
        wanted: How many trials cells are to have.
    """

    def __init__(
        self, resolved: ResolvedExperiment, results: Results | None, *, raised: bool = False
    ) -> None:
        """Read what `results` has.

        Args:
            raised: The experiment has more trials than that of `results`, by which networks had enough.
        """
        self._resolved = resolved
        self._raised = raised
        self.read(results)

    def read(self, results: Results | None) -> None:
        """Read the file, or read it again: another sweep may have written it while this one waited."""
        self.wanted = self._resolved.experiment.trials_wanted
        self._blocks: dict[Hashable, set[int]] = {}
        self._splits: set[tuple[str, tuple[int, ...]]] = set()
        self._codecs: set[Hashable] = set()
        if results:
            for cell, number in results.finished():
                self._blocks.setdefault(cell, set()).add(number)
            rows: list[BaselineTrial | Accuracy | CodecAccuracy | Look] = [*results.rows(BaselineTrial)]
            rows += [*results.rows(Accuracy), *results.rows(CodecAccuracy)]
            rows += [look for look in results.rows(Look) if look.ended is None or not self._raised]
            for row in rows:
                self.note(row)

    def note(self, row: Trial | BaselineTrial | Accuracy | CodecAccuracy | Look) -> None:
        """Note a row that the results file has."""
        match row:
            case Trial():
                self._blocks.setdefault(row.cell, set()).add(row.number)
            case Look():
                self.wanted.note(row)
            case BaselineTrial():
                # A cell that compares no threads takes any baseline.
                for threads in (row.threads, None):
                    key = BaselineKey(row.network, row.bundle, row.device, row.batch, threads)
                    self._blocks.setdefault(key, set()).add(row.number)
            # One over other samples is taken again: a model of the sweep had other samples then.
            case Accuracy() if row.samples == self._resolved.samples:
                self._splits.add((row.bundle, row.cuts))
            case CodecAccuracy() if row.samples == self._resolved.samples:
                self._codecs.add(coded_as(row))

    def missing(self, visited: Cell | BaselineKey) -> int:
        """How many trials of a cell or a baseline are not finished, as far as is known."""
        done = len(self._blocks_of(visited))
        if isinstance(visited, Cell):
            return self.wanted.missing(visited, done)
        return max(0, self.wanted.least - done)

    def at_most(self, cell: Cell) -> int:
        """How many more trials a cell may get."""
        return self.wanted.at_most(cell, len(self._blocks_of(cell)))

    def progress(self, cells: Iterable[Cell]) -> tuple[int, int]:
        """How many trials of these cells are finished, and how many it may be."""
        done = ahead = 0
        for cell in cells:
            done += min(self.wanted.most, len(self._blocks_of(cell)))
            ahead += self.at_most(cell)
        return done, done + ahead

    def has(self, visited: Cell | BaselineKey, block: int) -> bool:
        """Whether a block of its network has a finished trial of a cell or a baseline."""
        return block in self._blocks_of(visited)

    def count(self, cells: Iterable[Cell]) -> int:
        """How many trials of these cells are not finished."""
        return sum(map(self.missing, cells))

    def anything(self, cells: Sequence[Cell]) -> bool:
        """Whether anything is missing."""
        baselines = sum(map(self.missing, self.baselines(cells)))
        is_settled = all(self.wanted.is_settled(cell.network) for cell in cells)
        missing = self.count(cells) or baselines or self.splits(cells) or self.codecs(cells)
        return bool(missing) or not is_settled

    def baselines(self, cells: Sequence[Cell]) -> list[BaselineKey]:
        """The baselines of these cells, finished or not."""
        return list(
            dict.fromkeys(
                BaselineKey(cell.network, cell.bundle, device, cell.batch, cell.threads)
                for cell in cells
                for device in cell.devices
            )
        )

    def _blocks_of(self, visited: Cell | BaselineKey) -> Collection[int]:
        return self._blocks.get(visited.id if isinstance(visited, Cell) else visited, ())

    def splits(self, cells: Sequence[Cell]) -> dict[str, list[tuple[int, ...]]]:
        """Splits whose accuracy is not there, by bundle."""
        missing: dict[str, dict[tuple[int, ...], None]] = {}
        for cell in cells:
            if (cell.bundle, cell.cuts) not in self._splits:
                missing.setdefault(cell.bundle, {})[cell.cuts] = None
        return {bundle: sorted(splits) for bundle, splits in missing.items()}

    def codecs(self, cells: Sequence[Cell]) -> dict[str, list[Cell]]:
        """A cell for each split and choice of codecs whose accuracy is not there, by bundle."""
        missing: dict[str, dict[Hashable, Cell]] = {}
        for cell in cells:
            if cell.codec != NO_CODEC.name and coded_as(cell) not in self._codecs:
                missing.setdefault(cell.bundle, {}).setdefault(coded_as(cell), cell)
        return {bundle: list(alike.values()) for bundle, alike in missing.items()}


def register(
    resolved: ResolvedExperiment, store: Store, networks: Sequence[str], *, has_budget: bool
) -> None:
    """Write down what the sweep wants, so that a report can say what is missing.

    Of what is chosen as it goes on, only from how much; of that, `networks` alone are begun.
    """
    for position, (name, network) in enumerate(resolved.networks.items()):
        store.add_network(name, position, resolved.cells[name][0].shaping, msgspec.to_builtins(network))
    for bundle in resolved.bundles.values():
        store.add_bundle(bundle.digest, bundle.manifest.model, (bundle.path / "manifest.json").read_text())
    how = "planned" if resolved.experiment.search == "planned" else "time budget"
    scopes = {scope.network: scope for scope in store.rows(Scope)}
    for name, cells in resolved.cells.items():
        if is_chosen(resolved, has_budget=has_budget):
            there = scopes.get(name)
            if name in networks and not (there and there.how == how and there.over):
                splits = Counter(candidate.shallow.bundle for candidate in candidates_of(cells))
                store.add(Scope(name, how, len(cells), splits=splits))
        elif name in networks or name not in scopes:
            store.remove_scope(name)
            store.add(*cells)
