"""Measurements for programs: one cell, or a sweep, in any thread and without signal handlers."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from controller.atomic_file import replace_file
from controller.errors import ExperimentError, StoreError
from controller.experiment.plain_yaml import dump_plain
from controller.experiment.resolve import resolve
from controller.lab.inventory import Lab
from controller.live import Publisher
from controller.options import DEVICE_PROFILES, NETWORKS
from controller.results import OFFLINE, Cell, CodecAccuracy, Trial
from controller.results.metrics import throughput_per_s
from controller.sweep.outcome import Outcome
from controller.sweep.runner import run_sweep as run
from controller.sweep.search.budget import TimeBudget
from controller.sweep.search.profiling import prepare
from controller.sweep.single_cell import RunOptions, measure_one_cell
from edgecut.callbacks import Callbacks, Step
from exporter.bundle import Bundle

__all__ = ["CellRun", "run_cell", "run_sweep"]


@dataclass(frozen=True)
class CellRun:
    """A cell that was run once.

    Attributes:
        cell: What was run.
        trial: Its records, as a results file keeps them.
        accuracy: What its codecs leave of the accuracy; None without codecs.
    """

    cell: Cell
    trial: Trial
    accuracy: CodecAccuracy | None

    @property
    def latency_s(self) -> NDArray[np.float64]:
        """Seconds of each request that counts, by the source's clock; shape (requests,)."""
        seconds: NDArray[np.float64] = self.trial.endpoint["latency_s"]
        return seconds

    @property
    def throughput_per_s(self) -> float:
        """Samples a second."""
        return throughput_per_s(self.trial, self.cell.batch)


def run_cell(
    bundle: Bundle,
    lab: Lab,
    *,
    at: str | int | Sequence[int],
    devices: Sequence[str] | None = None,
    depth: int = 1,
    batch: int = 1,
    network: str = "ideal",
    networks_file: Path | str = NETWORKS,
    codec: str = "none",
    load: str = OFFLINE,
    requests: int | None = None,
    warmup: int = 5,
    threads: int | None = None,
) -> CellRun:
    """Run one cell once, and keep its records; nothing is stored.

    Args:
        bundle: The model.
        lab: The devices.
        at: The cut after a module's path (`features.7`), a cut index, or several for several cuts. 0 sends
            the raw input to the last device, the number of nodes keeps everything on the first.
        devices: The chain, by name; by default the whole lab.
        depth: Requests in flight.
        batch: Samples in a request.
        network: A network of `networks_file`; on links that tc shapes, the network already in force.
        networks_file: Where networks are defined; by default edgecut's own.
        codec: Of all links, as in `uint8`.
        load: `offline`, `single`, `constant:20/s`, `poisson:20/s` or `poisson:p90<=100ms`.
        requests: The fewest timed requests; by default ten times the depth, at least 24.
        warmup: Untimed requests before the timed ones.
        threads: ONNX Runtime threads of a stage; by default those of the device.

    Raises:
        ControllerError: The cell cannot be, a device does not answer, or the trial is void.
    """
    cuts = at if isinstance(at, str) else str(at) if isinstance(at, int) else ",".join(map(str, at))
    options = RunOptions(
        bundle=bundle.path,
        at=cuts,
        devices=",".join(devices) if devices is not None else None,
        depth=depth,
        batch=batch,
        network=network,
        networks_file=Path(networks_file),
        codec=codec,
        load=load,
        requests=requests,
        warmup=warmup,
        threads=threads,
    )
    measured = measure_one_cell(options, bundle, lab)
    return CellRun(measured.cell, measured.trial, measured.accuracy)


def run_sweep(
    experiment: Path | str | Mapping[str, Any],
    lab: Lab,
    results: Path | str,
    *,
    networks: Sequence[str] | str | None = None,
    networks_file: Path | str | None = None,
    bundles: Path | str | None = None,
    time_budget_s: float | None = None,
    device_profiles: Path | str = DEVICE_PROFILES,
    on_trial: Callable[[Cell, Trial], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
    on_message: Callable[[str], None] | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run what an experiment asks for and its results file lacks; the same call resumes an unfinished sweep.

    Callbacks run in the calling thread, between trials. What a callback raises ends the sweep; finished
    trials are saved.

    Args:
        experiment: An experiment file, or its keys (docs/experiments.md). Keys are written as a file beside
            `results`: paths in them are relative to that folder, and `models` may hold opened bundles.
        lab: The devices.
        results: The results file; its folder is made if need be.
        networks: Only these of the experiment's networks, or this one.
        networks_file: In place of the experiment's.
        bundles: Folder of bundles, in place of the experiment's.
        time_budget_s: Measure the most promising cells first, for this long.
        device_profiles: Folder of device profiles, for `search: planned`.
        on_trial: Gets each trial as it ends.
        on_step: Gets the progress before each trial.
        on_message: Gets what happens besides, a line each.
        stop: Once set, the sweep ends after the present trial.

    Raises:
        ControllerError: The experiment is wrong, a device does not answer, or the results file is another
            experiment's.
    """
    path = Path(results)
    if isinstance(experiment, Mapping):
        experiment = _written(experiment, path)
    resolved = resolve(
        Path(experiment),
        lab,
        bundles_folder=Path(bundles) if bundles is not None else None,
        networks_file=Path(networks_file) if networks_file is not None else None,
    )
    named = (networks,) if isinstance(networks, str) else networks
    chosen = [name for each in (named if named is not None else (None,)) for name in resolved.choose(each)]
    with (
        resolved.create_store(path) as store,
        Publisher(store, is_shown=False) as publisher,
    ):
        progress = Callbacks(on_message, on_step, on_trial, publisher)
        resolved.refuse_shaped(chosen)
        prepare(resolved, store, Path(device_profiles), progress, shaped=True)
        budget = TimeBudget(time_budget_s) if time_budget_s is not None else None
        outcome = run(resolved, chosen, store, progress, budget, stop=_Stop(stop or threading.Event()))
        publisher.end(outcome.summary(path))
    return outcome


_KEYS_SUFFIX: Final = ".experiment.yml"


def _written(keys: Mapping[str, Any], results: Path) -> Path:
    """The file of an experiment given by its keys; it is part of the results, which belong to its text."""
    path = results.with_name(results.name + _KEYS_SUFFIX)
    text = dump_plain({key: _storable(key, value) for key, value in keys.items()})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode())
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}; name another results file") from error
    return path


def _storable(key: str, value: Any) -> Any:
    """A key's value with the paths of bundles in place of them."""
    value = _by_path(value)
    try:
        dump_plain(value)
    except yaml.YAMLError as error:
        raise ExperimentError(
            f"key {key!r}: an experiment cannot hold {value!r}; give numbers, texts, lists and mappings"
        ) from error
    return value


def _by_path(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_by_path(each) for each in value]
    return str(value.path.absolute()) if isinstance(value, Bundle) else value


@dataclass(frozen=True)
class _Stop:
    event: threading.Event

    @property
    def requested(self) -> bool:
        return self.event.is_set()
