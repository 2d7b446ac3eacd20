"""Which cells of a network a sweep visits, and from which block on."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import zip_longest

from controller.errors import ProfileError
from controller.experiment.resolve import ResolvedExperiment, is_chosen
from controller.results import Cell, Predicted, Results, Scope
from controller.sweep.search.candidates import Candidate, measured_point
from controller.sweep.search.front_search import Search
from controller.sweep.search.predicted import estimated_searches, planned_searches
from controller.sweep.search.profiling import missing_profiles, stored_profiles

__all__ = ["AdaptiveOrder", "Order", "make_order"]


class Order:
    """Which cells join with the next block, and are visited from then on; this one has all join at once."""

    def __init__(self, cells: Sequence[Cell]) -> None:
        self._cells = cells

    def next_cells(self, fits: Callable[[Sequence[Cell]], bool]) -> Sequence[Cell]:
        """Cells that join; none at the end. Before the next call a block has visited them once.

        Args:
            fits: Whether there is time for all trials of these cells, beside those that joined before.
        """
        cells, self._cells = self._cells, ()
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

    It uses predictions and results alone, so a resumed sweep goes on as an uninterrupted one.
    """

    def __init__(
        self,
        searches: Sequence[Search[Candidate]],
        begun: Collection[str],
        results: Results,
        *,
        in_time: bool,
    ) -> None:
        """Take in what there is.

        Args:
            searches: One for each front: their candidates' cells make up the network's.
            begun: Ids of cells that were chosen before; their candidates are visited first.
            in_time: As many join as there is time for, the most promising first.
        """
        self._searches = searches
        self._results = results
        self._in_time = in_time
        self._given: list[tuple[Search[Candidate], Candidate]] = []
        self._begun: list[tuple[Search[Candidate], Candidate]] = []
        for search in searches:
            for candidate in search.predicted:
                if (point := measured_point(candidate, results)) is not None:
                    search.measured[candidate] = point
                elif any(cell.id in begun for cell in candidate.cells):
                    self._begun.append((search, candidate))

    def next_cells(self, fits: Callable[[Sequence[Cell]], bool]) -> Sequence[Cell]:
        """Cells of what was begun, then of what is most promising after all blocks so far."""
        for search in self._searches:
            given = [candidate for one, candidate in self._given if one is search]
            for candidate in [*search.measured, *search.failed, *given]:
                self._take_in(search, candidate)
        self._given, self._begun = self._begun, []
        if not self._given:
            self._given = self._most_that(fits) if self._in_time else self._chosen()
        return [cell for _, candidate in self._given for cell in candidate.cells]

    def ahead(self) -> Sequence[Cell]:
        """Cells of candidates that would come if what is being measured corrected nothing."""
        given = {candidate for _, candidate in self._given}
        return [
            cell
            for search in self._searches
            for each in search.ahead()[: max(0, search.left - sum(one is search for one, _ in self._given))]
            if each not in given
            for cell in each.cells
        ]

    def _chosen(self) -> list[tuple[Search[Candidate], Candidate]]:
        return [(search, each) for search in self._searches for each in search.choose()]

    def _most_that(self, fits: Callable[[Sequence[Cell]], bool]) -> list[tuple[Search[Candidate], Candidate]]:
        """As many as fit, from each search in turn; at the very beginning at least the most promising."""
        begins = not any(search.measured or search.failed for search in self._searches)
        turns = zip_longest(*([(search, each) for each in search.ahead()] for search in self._searches))
        chosen: list[tuple[Search[Candidate], Candidate]] = []
        for one in (one for turn in turns for one in turn if one is not None):
            if not fits([cell for _, each in (*chosen, one) for cell in each.cells]):
                break
            chosen.append(one)
        if not chosen and begins:
            chosen = [(search, each) for search in self._searches for each in search.ahead()[:1]][:1]
        return chosen

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
            if deep.depth != 1:
                rows.append(Predicted(deep.id, sample_s * deep.batch))
        return rows

    def _take_in(self, search: Search[Candidate], candidate: Candidate) -> None:
        point = measured_point(candidate, self._results)
        if point is None:
            search.failed.add(candidate)
        else:
            search.failed.discard(candidate)
            search.measured[candidate] = point


def make_order(
    resolved: ResolvedExperiment,
    name: str,
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
        return Order(resolved.cells[name])
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
            # There may be time for no more than the most promising one.
            search.first = ()
    begun &= {cell.id for cell in resolved.cells[name]}
    return AdaptiveOrder(searches, begun, results, in_time=has_budget)
