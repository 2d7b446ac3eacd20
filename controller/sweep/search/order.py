"""In which order the cells of a network are run, and which of them at all."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from controller.errors import ProfileError
from controller.experiment.resolve import ResolvedExperiment, is_chosen
from controller.results import Cell, Predicted, Results, Scope
from controller.sweep.search.candidates import Candidate, measured_point
from controller.sweep.search.front_search import Search
from controller.sweep.search.predicted import estimated_searches, planned_searches
from controller.sweep.search.profiling import missing_profiles, stored_profiles
from controller.sweep.todo import PendingWork

__all__ = ["AdaptiveOrder", "Order", "make_order"]


class Order:
    """Which cells are to be run next; this one gives every cell, in the order given."""

    def __init__(self, cells: Sequence[Cell], pending: PendingWork) -> None:
        self._cells = [cell for cell in cells if pending.trials(cell)]

    def next_cells(self) -> Sequence[Cell]:
        """Cells of which trials are missing; none at the end. The caller runs them before it asks again."""
        cells, self._cells = self._cells, []
        return cells

    def ahead(self) -> Sequence[Cell]:
        """Cells that may yet come after those, at most."""
        return ()

    def predicted(self) -> Sequence[Predicted]:
        """Predictions of the cells given last."""
        return ()

    def scope(self, network: str, ended: str | None) -> Scope | None:
        """How much of the network's cells was chosen; None where all of them are requested.

        Args:
            ended: Why it ended, where not by itself.
        """
        return None


class AdaptiveOrder(Order):
    """The candidates that may be on a front, the most promising first, each with all its cells.

    It uses predictions and results alone, so a resumed sweep continues in the same order.
    """

    def __init__(
        self,
        searches: Sequence[Search[Candidate]],
        begun: Collection[str],
        pending: PendingWork,
        results: Results,
        seed: str,
    ) -> None:
        """Take in what there is.

        Args:
            searches: One for each front: their candidates' cells make up the network's.
            begun: Ids of cells that were chosen before; their candidates are finished first.
            seed: Of the order within a round.
        """
        self._searches = searches
        self._pending = pending
        self._results = results
        self._seed = seed
        self._given: list[tuple[Search[Candidate], Candidate]] = []
        self._begun: list[tuple[Search[Candidate], Candidate]] = []
        for search in searches:
            for candidate in search.predicted:
                if self._complete(candidate):
                    self._take_in(search, candidate)
                elif any(cell.id in begun for cell in candidate.cells):
                    self._begun.append((search, candidate))

    def next_cells(self) -> Sequence[Cell]:
        """Missing cells of what was begun, then of round after round."""
        for search, candidate in self._given:
            self._take_in(search, candidate)
        self._given, self._begun = self._begun, []
        if not self._given:
            self._given = [(search, each) for search in self._searches for each in search.choose()]
        tried = sum(len(search.measured) + len(search.failed) for search in self._searches)
        random.Random(f"{self._seed}:{tried}").shuffle(self._given)
        return self._missing(candidate for _, candidate in self._given)

    def ahead(self) -> Sequence[Cell]:
        """Cells of candidates that would come if what is being measured corrected nothing."""
        given = {candidate for _, candidate in self._given}
        return self._missing(
            each
            for search in self._searches
            for each in search.ahead()[: max(0, search.left - sum(one is search for one, _ in self._given))]
            if each not in given
        )

    def scope(self, network: str, ended: str | None) -> Scope:
        """See `Order.scope`."""
        searches = self._searches
        cells = sum(len(candidate.cells) for search in searches for candidate in search.predicted)
        to_the_end = any(search.to_the_end for search in searches)
        if ended is None and to_the_end:
            ended = "all measured"
        if ended is None:
            spent = any(not search.left and search.promising() for search in searches)
            ended = "share measured" if spent else "front stands"
        splits = Counter(candidate.shallow.bundle for search in searches for candidate in search.predicted)
        return Scope(network, "time budget" if to_the_end else "planned", cells, ended, splits)

    def predicted(self) -> list[Predicted]:
        """What is predicted of the cells given last, uncorrected; nothing where they were only estimated."""
        rows = []
        for search, candidate in self._given:
            if search.to_the_end:
                continue
            latency_s, sample_s = search.predicted[candidate]
            shallow, deep = candidate.shallow, candidate.deep
            if shallow.depth == 1:
                rows.append(Predicted(shallow.id, latency_s))
            if deep.depth > 1:
                rows.append(Predicted(deep.id, sample_s * deep.batch))
        return rows

    def _complete(self, candidate: Candidate) -> bool:
        return not self._pending.count(candidate.cells)

    def _take_in(self, search: Search[Candidate], candidate: Candidate) -> None:
        point = measured_point(candidate, self._results) if self._complete(candidate) else None
        if point is None:
            search.failed.add(candidate)
        else:
            search.measured[candidate] = point

    def _missing(self, candidates: Iterable[Candidate]) -> list[Cell]:
        return [cell for each in candidates for cell in each.cells if self._pending.trials(cell)]


def make_order(
    resolved: ResolvedExperiment,
    name: str,
    pending: PendingWork,
    results: Results,
    whole_model_s: Mapping[tuple[str, str], float],
    *,
    has_budget: bool,
) -> Order:
    """The order of the cells under network `name`.

    Args:
        whole_model_s: Seconds for one sample of a bundle (digest) on a device, by both names.

    Raises:
        ProfileError: A planned search has no device profile to predict from.
    """
    if not is_chosen(resolved, has_budget=has_budget):
        return Order(resolved.cells[name], pending)
    if resolved.experiment.search == "planned":
        profiles = stored_profiles(results)
        if missing_profiles(resolved, profiles):
            raise ProfileError(f"{results.path} has no device profile; run the sweep with --prepare")
        searches = planned_searches(resolved, name, profiles)
        begun = {cell.id for cell in results.cells()}
    else:
        searches = estimated_searches(resolved, name, whole_model_s)
        begun = {identity for identity, _ in results.finished()}
    if has_budget:
        for search in searches:
            search.at_once = 1
            # There may be time for no more than the most promising one.
            search.first = ()
    seed = f"{resolved.experiment.seed}:{name}"
    return AdaptiveOrder(searches, begun & {cell.id for cell in resolved.cells[name]}, pending, results, seed)
