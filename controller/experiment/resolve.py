"""What a sweep is to do: the experiment with its bundles, profiles and cells, before any device is asked."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.errors import ExperimentError, did_you_mean
from controller.experiment.cells import cells_of_profile, open_bundles
from controller.experiment.feasibility import check_imposable, check_plannable
from controller.experiment.networks import NetworkProfile, find_profile, load_network_profiles
from controller.experiment.schema import Experiment, load_experiment
from controller.lab.inventory import Lab
from controller.results import Cell
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC

__all__ = ["Agenda", "is_chosen", "make_agenda", "reference_of"]


@dataclass(frozen=True)
class Agenda:
    """A sweep, planned.

    Attributes:
        text: The experiment file as it stands; results belong to exactly this text.
        network_profiles_file: Where the profiles are from.
        bundles: By digest.
        network_profiles: The conditions of each profile of the experiment.
        cells: By profile, in the order in which they will be run.
    """

    experiment: Experiment
    text: str
    lab: Lab
    network_profiles_file: Path
    bundles: Mapping[str, Bundle]
    network_profiles: Mapping[str, NetworkProfile]
    cells: Mapping[str, tuple[Cell, ...]]

    def devices(self, profile: str) -> tuple[str, ...]:
        """Those that the cells of a profile need, in the lab's order."""
        needed = {name for cell in self.cells[profile] for name in cell.devices}
        return tuple(device.name for device in self.lab.devices if device.name in needed)

    def choose(self, profile: str | None) -> tuple[str, ...]:
        """The profiles to run: the one named, or all.

        Raises:
            ExperimentError: The experiment has no such profile.
        """
        if profile is None:
            return tuple(self.cells)
        if profile not in self.cells:
            raise ExperimentError(
                f"experiment {self.experiment.name!r} has no profile {profile!r}"
                f"{did_you_mean(profile, self.cells)}"
            )
        return (profile,)

    def refuse_shaped(self, profiles: Sequence[str]) -> None:
        """Refuse several profiles at once where it is not us who imposes them.

        Raises:
            ExperimentError: Links shaped by tc are as they are; only Ansible can change them in between.
        """
        shaped = any(cell.link == "tc" for profile in profiles for cell in self.cells[profile])
        if shaped and len(profiles) > 1:
            raise ExperimentError(
                f"lab {self.lab.name!r} has links shaped by tc: name one profile with --profile "
                f"({', '.join(profiles)}), or run ansible/sweep.yml, which takes them in turn"
            )


def make_agenda(
    path: Path, lab: Lab, *, bundles_folder: Path | None = None, network_profiles_file: Path | None = None
) -> Agenda:
    """Read an experiment and everything that it names, and lay out its cells.

    Args:
        path: The experiment file.
        lab: The devices to plan for.
        bundles_folder: In place of the experiment's `bundles`.
        network_profiles_file: In place of the experiment's `network_profiles`.

    Raises:
        ExperimentError: The file, or something that it names, is wrong.
        LabError: It wants devices that the lab does not have.
    """
    experiment = load_experiment(path)
    folder = path.absolute().parent
    profiles_path = network_profiles_file or folder / experiment.network_profiles
    all_profiles = load_network_profiles(profiles_path)
    profiles = {name: find_profile(all_profiles, name, profiles_path) for name in experiment.profile_names()}
    by_name = open_bundles(experiment.models, bundles_folder or folder / experiment.bundles)
    cells = {}
    for name, profile in profiles.items():
        profile.check_pairs(name, [device.name for device in lab.devices])
        found = list(cells_of_profile(experiment, name, by_name, lab))
        for cell in found:
            check_imposable(cell, profile)
            if experiment.search == "planned":
                check_plannable(cell)
        # Each profile has its own order, so that running one alone gives the same as running all.
        random.Random(f"{experiment.seed}:{name}").shuffle(found)
        cells[name] = tuple(found)
    return Agenda(
        experiment=experiment,
        text=path.read_text(encoding="utf-8"),
        lab=lab,
        network_profiles_file=profiles_path,
        bundles={bundle.digest: bundle for bundle in by_name.values()},
        network_profiles=profiles,
        cells=cells,
    )


def reference_of(cells: tuple[Cell, ...]) -> Cell:
    """The cell that is repeated to see drift: lowest depth and batch, middle split, no codec if it may be."""
    depth, batch = min((cell.depth, cell.batch) for cell in cells)
    first = min(cell.devices for cell in cells), min(cell.bundle for cell in cells)
    alike = sorted(
        (c for c in cells if (c.depth, c.batch) == (depth, batch) and (c.devices, c.bundle) == first),
        key=lambda cell: cell.cuts,
    )
    middle = alike[len(alike) // 2]
    return next((c for c in alike if c.cuts == middle.cuts and c.codec == NO_CODEC.name), middle)


def is_chosen(agenda: Agenda, *, has_budget: bool) -> bool:
    """Whether the most promising cells are chosen, in place of all."""
    return has_budget or agenda.experiment.search == "planned"
