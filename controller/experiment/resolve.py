"""What a sweep is to do: the experiment with its bundles, networks and cells; no device is contacted."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from controller.errors import ExperimentError, did_you_mean
from controller.experiment.cells import cells_of_network, open_bundles
from controller.experiment.feasibility import check_feasible, check_plannable
from controller.experiment.networks import AS_IS, Network, find_network, load_networks
from controller.experiment.schema import Experiment, load_experiment
from controller.lab.inventory import Lab
from controller.options import NETWORKS
from controller.results import Cell, Store
from controller.results.provenance import now
from exporter.bundle import Bundle

__all__ = ["ResolvedExperiment", "conditions_between", "is_chosen", "lay_out", "resolve"]


@dataclass(frozen=True)
class ResolvedExperiment:
    """A sweep, planned.

    Attributes:
        text: The experiment file as it stands; results belong to this text, with these trials or more.
        networks_file: Where the networks are defined.
        bundles: By digest.
        networks: The conditions of each network of the experiment.
        cells: By network, in the order in which they will be run.
    """

    experiment: Experiment
    text: str
    lab: Lab
    networks_file: Path
    bundles: Mapping[str, Bundle]
    networks: Mapping[str, Network]
    cells: Mapping[str, tuple[Cell, ...]]

    def devices(self, network: str) -> tuple[str, ...]:
        """Those that the cells of a network need, in the lab's order."""
        needed = {name for cell in self.cells[network] for name in cell.devices}
        return tuple(device.name for device in self.lab.devices if device.name in needed)

    @cached_property
    def samples(self) -> int:
        """The number of samples of every accuracy: each bundle's first ones, as many as all bundles have.

        At most the experiment's `samples`, and whole batches of a graph that takes no others.

        Raises:
            ExperimentError: That is less than a batch.
        """
        bundles = self.bundles.values()
        most = min(bundle.samples().count for bundle in bundles)
        count = min(self.experiment.samples or most, most)
        batch = math.lcm(*(bundle.fixed_batch or 1 for bundle in bundles))
        if count < batch:
            raise ExperimentError(
                f"key 'samples': {count} samples do not fill the fixed batch of {batch}; raise it, or export "
                f"the models with more samples"
            )
        return count - count % batch

    @cached_property
    def rest(self) -> str:
        """All of the experiment but its trials, which may be raised once results exist."""
        without = msgspec.structs.replace(self.experiment, trials=1)
        # Depths are numbers where they are keys, and sorted keys must be texts.
        plain = msgspec.to_builtins(without, str_keys=True)
        return msgspec.json.encode(plain, order="sorted").decode()

    def create_store(self, path: Path) -> Store:
        """Open a results file for this experiment, whose trials may be raised later; create it if missing.

        Raises:
            StoreError: The folder is not writable, or the file is another experiment's.
        """
        wanted = self.experiment.trials_wanted
        return Store.create(
            path,
            name=self.experiment.name,
            text=self.text,
            rest=self.rest,
            seed=self.experiment.seed,
            trials=wanted.most,
            least=wanted.least,
            until=wanted.until,
            objectives=self.experiment.objectives,
            created_at=now(),
        )

    def choose(self, network: str | None) -> tuple[str, ...]:
        """The networks to run: the one named, or all.

        Raises:
            ExperimentError: The experiment has no such network.
        """
        if network is None:
            return tuple(self.cells)
        if network not in self.cells:
            raise ExperimentError(
                f"experiment {self.experiment.name!r} has no network {network!r}"
                f"{did_you_mean(network, self.cells)}"
            )
        return (network,)

    def refuse_shaped(self, networks: Sequence[str]) -> None:
        """Refuse several networks at once where it is not us who imposes them.

        Raises:
            ExperimentError: Links shaped by tc are as they are; only Ansible can change them in between.
        """
        shaped = any(cell.shaping == "tc" for network in networks for cell in self.cells[network])
        if shaped and len(networks) > 1:
            raise ExperimentError(
                f"lab {self.lab.name!r} has links shaped by tc: name one network with --network "
                f"({', '.join(networks)}), or run `edgecut sweep`, which takes them in turn"
            )


def resolve(
    path: Path, lab: Lab, *, bundles_folder: Path | None = None, networks_file: Path | None = None
) -> ResolvedExperiment:
    """Read an experiment and everything that it names, and lay out its cells.

    Args:
        path: The experiment file.
        lab: The devices to plan for.
        bundles_folder: In place of the experiment's `bundles`.
        networks_file: In place of the experiment's `networks_file`.

    Raises:
        ExperimentError: The file, or something that it names, is wrong.
        LabError: It wants devices that the lab does not have.
    """
    experiment = load_experiment(path)
    folder = path.absolute().parent
    own = experiment.networks_file
    networks_path = networks_file or (NETWORKS if own is None else folder / own)
    networks = read_networks(experiment.network_names(), networks_path, lab)
    bundles = open_bundles(experiment.models, bundles_folder or folder / experiment.bundles)
    return lay_out(experiment, path.read_text(encoding="utf-8"), lab, networks_path, networks, bundles)


def read_networks(names: Sequence[str], path: Path, lab: Lab) -> dict[str, Network]:
    """These networks of a file, for the devices of `lab`.

    Raises:
        ExperimentError: The file or a network is missing or wrong, or names other devices.
    """
    known = load_networks(path)
    networks = {name: find_network(known, name, path) for name in names}
    for name, network in networks.items():
        network.check_pairs(name, [device.name for device in lab.devices])
    return networks


def conditions_between(devices: Sequence[str], name: str, path: Path, lab: Lab) -> Network:
    """A network's conditions on links between these devices; none on links without shaping."""
    if name == AS_IS or lab.shaping(devices) == "none":
        return Network()
    return read_networks([name], path, lab)[name]


def lay_out(
    experiment: Experiment,
    text: str,
    lab: Lab,
    networks_file: Path,
    networks: Mapping[str, Network],
    bundles: Mapping[str, Bundle],
) -> ResolvedExperiment:
    """Lay out the cells of a checked experiment.

    Args:
        networks: By name, in the order in which they will be run.
        bundles: By the name that the experiment has for them.

    Raises:
        ExperimentError: A cell cannot be.
        LabError: It wants devices that the lab does not have.
    """
    cells = {}
    for name, network in networks.items():
        shuffled = list(cells_of_network(experiment, name, bundles, lab))
        for cell in shuffled:
            check_feasible(cell, network)
            if experiment.search == "planned":
                check_plannable(cell)
        # Each network has its own order, so that running one alone gives the same as running all.
        random.Random(f"{experiment.seed}:{name}").shuffle(shuffled)
        cells[name] = tuple(shuffled)
    return ResolvedExperiment(
        experiment=experiment,
        text=text,
        lab=lab,
        networks_file=networks_file,
        bundles={bundle.digest: bundle for bundle in bundles.values()},
        networks=networks,
        cells=cells,
    )


def is_chosen(resolved: ResolvedExperiment, *, has_budget: bool) -> bool:
    """Whether the most promising cells are chosen, in place of all."""
    return has_budget or resolved.experiment.search == "planned"
