"""What a sweep wants, written into its results file before anything is run."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from controller.experiment.resolve import Agenda
from controller.results import Scope, Store
from controller.sweep.search.candidates import candidates_of
from controller.sweep.search.orders import is_chosen

__all__ = ["register"]


def register(agenda: Agenda, store: Store, profiles: Sequence[str], *, has_budget: bool) -> None:
    """Write down what the sweep wants, so that a report can say what is missing.

    Of what is chosen as it goes on, only from how much; of that, `profiles` alone are begun.
    """
    for position, (name, profile) in enumerate(agenda.network_profiles.items()):
        store.add_profile(name, position, agenda.cells[name][0].link, msgspec.to_builtins(profile))
    for bundle in agenda.bundles.values():
        store.add_bundle(bundle.digest, bundle.manifest.model, (bundle.path / "manifest.json").read_text())
    how = "planned" if agenda.experiment.search == "planned" else "time budget"
    scopes = {scope.profile: scope for scope in store.scopes()}
    for name, cells in agenda.cells.items():
        if is_chosen(agenda, has_budget=has_budget):
            there = scopes.get(name)
            if name in profiles and not (there and there.how == how and there.over):
                splits = Counter(candidate.shallow.bundle for candidate in candidates_of(cells))
                store.set_scope(Scope(name, how, len(cells), splits=splits))
        elif name in profiles or name not in scopes:
            store.remove_scope(name)
            store.add_cells(cells)
