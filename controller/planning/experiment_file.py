"""Write an experiment that measures the best few plans beside their baselines."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from controller.atomic_file import replace_file
from controller.errors import PlanError
from controller.experiment.plain_yaml import dump_plain
from controller.experiment.schema import AUTO
from controller.planning.problem import Plan
from controller.results import TIMED
from exporter.bundle import Bundle, RangeError
from worker.wire.codecs import NO_CODEC

__all__ = ["write_experiment"]

_TRIALS = 3
_REQUESTS_ALONE = 11
"""As many as a median needs."""

_Chain = tuple[tuple[str, ...], tuple[int, ...]]


def write_experiment(
    path: Path,
    bundle: Bundle,
    plans: Sequence[Plan],
    *,
    order: Sequence[str],
    network: str,
    networks_file: Path,
    batch: int,
    threads: int | Mapping[str, int],
    codec: str = NO_CODEC.name,
    objective: str = "latency",
) -> None:
    """Write an experiment of these plans, both ends of the first plan's chain, and its equal split.

    Args:
        objective: What the plans are for: the experiment's first objective, if it is one.
        order: The lab's devices; a plan of one device is compared on a chain with the next device.

    Raises:
        PlanError: The file is not writable.
    """
    # A path such as `.` has no name.
    folder = bundle.path.resolve()
    chains = _chains(bundle, plans, order)
    experiment = {
        "name": f"best-split-{folder.name}",
        "models": [folder.name],
        "bundles": str(folder.parent),
        "networks_file": str(networks_file.absolute()),
        "networks": [network],
        "chains": [{"devices": list(devices), "cuts": list(cuts)} for devices, cuts in chains],
        "depths": [1, AUTO],
        "batches": [batch],
        "codecs": list(dict.fromkeys([NO_CODEC.name, codec])),
        "threads": threads if isinstance(threads, int) else dict(threads),
        "objectives": sorted(TIMED, key=lambda name: name != objective),
        "trials": _TRIALS,
        "requests": {1: _REQUESTS_ALONE},
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        header = "# Written by `controller plan`: plans to measure, and what to compare them with.\n"
        replace_file(path, f"{header}{dump_plain(experiment)}".encode())
    except OSError as error:
        raise PlanError(
            f"--experiment {path}: cannot be written ({error.strerror}); name another file"
        ) from error


def _chains(bundle: Bundle, plans: Sequence[Plan], order: Sequence[str]) -> list[_Chain]:
    tried = [_chain(bundle, plan, order) for plan in plans]
    devices = tried[0][0]
    number = len(devices) - 1
    compared: list[_Chain] = [(devices, (bundle.node_count,) * number), (devices, (0,) * number)]
    # With more devices than cut points no equal split exists.
    with suppress(RangeError):
        compared.append((devices, bundle.equal_cuts(len(devices))))
    return list(dict.fromkeys([*tried, *compared]))


def _chain(bundle: Bundle, plan: Plan, order: Sequence[str]) -> _Chain:
    """A plan as a cell's chain: a plan of one device becomes an end of a chain of two."""
    others = [name for name in order if name not in plan.devices]
    if len(plan.devices) == 1 and others:
        return (plan.devices[0], others[0]), (bundle.node_count,)
    return plan.devices, plan.cuts
