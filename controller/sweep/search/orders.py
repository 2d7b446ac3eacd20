"""Which order a network profile's cells have: all, or the most promising first."""

from collections.abc import Mapping

from controller.errors import ProfileError
from controller.experiment.resolve import Agenda
from controller.results import Results
from controller.sweep.search.order import AllCells, Order, PromisingCells
from controller.sweep.search.predicted import estimated_searches, planned_searches
from controller.sweep.search.profiling import kept_profiles, missing_profiles
from controller.sweep.todo import Remaining

__all__ = ["is_chosen", "make_order", "promising_cells"]


def is_chosen(agenda: Agenda, *, has_budget: bool) -> bool:
    """Whether the most promising cells are chosen, in place of all."""
    return has_budget or agenda.experiment.search == "planned"


def make_order(
    agenda: Agenda,
    name: str,
    remaining: Remaining,
    results: Results,
    whole_model_s: Mapping[tuple[str, str], float],
    *,
    has_budget: bool,
) -> Order:
    """The order of the cells under network profile `name`.

    Args:
        whole_model_s: Seconds for one sample of a bundle (digest) on a device, by both names.

    Raises:
        ProfileError: A planned search has no profile to predict from.
    """
    if not is_chosen(agenda, has_budget=has_budget):
        return AllCells(agenda.cells[name], remaining)
    return promising_cells(agenda, name, remaining, results, whole_model_s, has_budget=has_budget)


def promising_cells(
    agenda: Agenda,
    name: str,
    remaining: Remaining,
    results: Results,
    whole_model_s: Mapping[tuple[str, str], float],
    *,
    has_budget: bool,
) -> PromisingCells:
    """The same, of cells that are chosen."""
    cells = agenda.cells[name]
    if agenda.experiment.search == "planned":
        kept = kept_profiles(results)
        if missing_profiles(agenda, kept):
            raise ProfileError(f"{results.path} has no profile to predict from; run the sweep with --prepare")
        searches = planned_searches(agenda, name, kept)
        begun = {cell.id for cell in results.cells()}
    else:
        searches = estimated_searches(agenda, name, whole_model_s)
        begun = {identity for identity, _ in results.finished()}
    if has_budget:
        for search in searches:
            search.at_once = 1
            # There may be time for no more than the most promising one.
            search.first = ()
    seed = f"{agenda.experiment.seed}:{name}"
    return PromisingCells(searches, begun & {cell.id for cell in cells}, remaining, results, seed)
