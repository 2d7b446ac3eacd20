"""One cell, run once: the quick look before a sweep."""

import re
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from controller.console import plain_table, show, show_table
from controller.errors import ExperimentError
from controller.experiment.cells import chain_at
from controller.experiment.load import OFFLINE, SINGLE, seed_of
from controller.experiment.resolve import ResolvedExperiment, conditions_between, lay_out
from controller.experiment.schema import DIMENSIONS, Experiment
from controller.experiment.yaml_file import convert, parse_yaml
from controller.lab.inventory import Lab
from controller.lab.worker_pool import WorkerPool
from controller.links import link_check
from controller.options import LAB, NETWORKS, Batch, BundleFolder, Devices, LabFile, NetworksFile, Threads
from controller.pipeline.accuracy import allowed_error, codec_accuracies
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.rpc import require_rpc
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import HUB, SOCKET, Cell, CodecAccuracy, Link, Trial
from controller.results.metrics import IN_HOP, SAMPLES_NEEDED, network_s
from controller.statistics.steady_state import Bounded, Steady
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC

__all__ = ["Measured", "RunOptions", "measure_one_cell", "run_one_cell", "samples_used"]

_TIMEOUT_S = 600.0
_WAIT_S = 5.0
_RPC = ("port", "threads", "interface")


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of `controller run`: a cell, which an experiment of this one cell runs."""

    bundle: BundleFolder
    at: Annotated[str, typer.Option(help="Cuts, as indices or module paths: 23 or features.7 or 12,41.")]
    lab: LabFile = LAB
    devices: Devices = None
    depth: Annotated[int, typer.Option(min=1, help="Requests in flight.")] = 1
    batch: Batch = 1
    load: Annotated[
        str,
        typer.Option(help="Load: offline, single, constant:20/s, poisson:20/s or poisson:p90<=100ms."),
    ] = OFFLINE
    prefetch: Annotated[
        int | None,
        typer.Option(min=0, help="Inputs prepared ahead during the run. Default: all before the run."),
    ] = None
    requests: Annotated[
        int | None,
        typer.Option(min=1, help="Fewest timed requests. Default: ten times the depth, at least 24."),
    ] = None
    duration_s: Annotated[
        float | None, typer.Option("--duration", help="Shortest time of the timed requests, in seconds.")
    ] = None
    warmup: Annotated[int, typer.Option(min=0, help="Untimed requests before the timed ones.")] = 5
    threads: Threads = None
    network: Annotated[
        str, typer.Option(help="Network; on links that tc shapes, the network already in force.")
    ] = "ideal"
    source: Annotated[str, typer.Option(help="Source of requests: first (device) or controller.")] = "first"
    codec: Annotated[
        str, typer.Option(help="Codec of the links, as in uint8, zfp:0.01 or 'forward: uint8'.")
    ] = "none"
    topology: Annotated[
        str, typer.Option(help="chain (device to device) or hub (through the controller).")
    ] = "chain"
    backend: Annotated[str, typer.Option(help="Transport between devices: socket or torch_rpc.")] = "socket"
    planted: Annotated[
        str | None,
        typer.Option(help="Planted times of the null model, as in an experiment: '{pi: {node_ms: 2}}'."),
    ] = None
    rpc_port: Annotated[int, typer.Option(min=1, max=65535, help="PyTorch RPC's port.")] = 29500
    rpc_threads: Annotated[int, typer.Option(min=1, help="PyTorch RPC's threads per device.")] = 16
    rpc_interface: Annotated[
        str | None, typer.Option(help="PyTorch RPC's network interface. Default: the device address's own.")
    ] = None
    networks_file: NetworksFile = NETWORKS

    def resolve(self, bundle: Bundle, lab: Lab) -> ResolvedExperiment:
        """The experiment that has this cell alone, checked as a sweep checks it.

        Raises:
            ExperimentError: The cell cannot be; names the option to blame.
            LabError: No such device.
        """
        devices, cuts = chain_at(bundle, lab, self.at, self.devices)
        keys = {key: [getattr(self, setting)] for setting, key in DIMENSIONS.items()} | {
            "name": "run",
            "models": [bundle.manifest.model],
            "networks": [self.network],
            "chains": [{"devices": devices, "cuts": cuts}],
            "source": self.source,
            "threads": self.threads,
            "planted": parse_yaml(self.planted, "--planted") if self.planted else None,
            "rpc": {name: getattr(self, f"rpc_{name}") for name in _RPC},
            "requests": self.requests,
            "duration_s": self.duration_s,
            "warmup": self.warmup,
            "wait_s": _WAIT_S,
            "trial_timeout_s": _TIMEOUT_S,
        }
        path = self.networks_file
        networks = {self.network: conditions_between(devices, self.network, path, lab)}
        try:
            experiment = convert(keys, Experiment)
            experiment.check()
            return lay_out(experiment, "", lab, path, networks, {bundle.manifest.model: bundle})
        except ExperimentError as error:
            raise ExperimentError(_KEY.sub(_option, str(error))) from error


def samples_used(cell: Cell, experiment: Experiment) -> int | None:
    """How many of the bundle's samples a trial of the cell uses; None where that depends on the run."""
    if experiment.duration_s is not None or cell.load not in (OFFLINE, SINGLE):
        return None
    filling = max(experiment.warmup, cell.depth)
    draining = cell.depth - 1
    return (filling + experiment.requests_of(cell) + draining) * cell.batch


_KEY = re.compile(r"key '(\w+)((?:[.]\w+)*)(?:\[\d+\])?'")
_OPTIONS = {
    **{key: f"--{setting.replace('_', '-')}" for setting, key in DIMENSIONS.items()},
    **{"requests": "--requests", "duration_s": "--duration", "warmup": "--warmup"},
    **{f"rpc.{name}": f"--rpc-{name}" for name in _RPC},
}
"""By key of an experiment, the option that stands for it on the command line."""


def _option(key: re.Match[str]) -> str:
    """The option for a key, and what of the key is within the option's value."""
    if option := _OPTIONS.get(f"{key[1]}{key[2]}"):
        return option
    return f"{_OPTIONS[key[1]]}{key[2]}" if key[1] in _OPTIONS else key[0]


@dataclass(frozen=True)
class Measured:
    """A cell that was run once.

    Attributes:
        accuracy: What its codecs leave of the accuracy; None without codecs.
    """

    cell: Cell
    trial: Trial
    accuracy: CodecAccuracy | None


def run_one_cell(options: RunOptions, bundle: Bundle, lab: Lab) -> None:
    """Run the cell once and print where its time went; see `measure_one_cell` for what is raised."""
    _show(measure_one_cell(options, bundle, lab))


def measure_one_cell(options: RunOptions, bundle: Bundle, lab: Lab) -> Measured:
    """Run the cell once.

    Raises:
        ControllerError: The cell cannot be, a device is not there, or the trial is void.
    """
    resolved = options.resolve(bundle, lab)
    experiment = resolved.experiment
    (cell,) = resolved.cells[options.network]
    network = resolved.networks[cell.network]
    controller_endpoint = ControllerEndpoint.of(cell, lab)
    coded = cell.codec != NO_CODEC.name
    accuracy = next(codec_accuracies(bundle, [cell], samples_used(cell, experiment))) if coded else None
    checking = link_check(lab, cell.network, network)
    with WorkerPool(lab, cell.devices, experiment.wait_s, link_check=checking) as pool:
        plan = plan_pipeline(
            cell.id,
            cell,
            bundle,
            lab,
            network,
            threads={
                w.name: experiment.threads_on(w.name, w.info.threads, cell.threads)
                for w in pool.workers.values()
            },
            allowed_error=allowed_error(accuracy),
            controller_addresses=controller_endpoint.addresses if controller_endpoint else None,
            rpc=experiment.rpc,
            seed=seed_of(experiment.seed, cell.id, 0),
        )
        pool.require_codecs(plan.links)
        require_rpc(pool.workers, [cell], experiment.rpc)
        with PipelineRunner(plan, cell, bundle, pool.workers, controller_endpoint) as runner:
            closed = experiment.closed_run(cell)
            trial = run_trial(
                runner,
                cell,
                0,
                closed,
                seed=experiment.seed,
                warmup=experiment.warmup,
                lengthen=experiment.may_lengthen,
            )
    return Measured(cell, trial, accuracy)


def _show(measured: Measured) -> None:
    cell, trial, accuracy = measured.cell, measured.trial, measured.accuracy
    show(
        f"{cell.model} cut at {cell.label} over {_way(cell)}, depth {cell.depth}, batch "
        f"{cell.batch}, network {cell.network} (shaping={cell.shaping})"
        + (f", over {cell.backend}" if cell.backend != SOCKET else "")
    )
    _show_breakdown(trial)
    _show_course(cell, trial)
    for link in trial.links:
        if link.sender != link.receiver:
            show(f"{link.sender} -> {link.receiver}: {_bytes_of(link)}")
    if accuracy is not None:
        show(
            f"codecs: {cell.codec}; worst tensor error {accuracy.tensor_error:.1e}; accuracy "
            f"{_share(accuracy.chain)}, of the whole graph {_share(accuracy.whole)}, "
            f"over {accuracy.samples} samples"
        )
    samples = len(trial.endpoint) * cell.batch
    show(
        f"{samples / trial.elapsed_s:.2f} samples/s; {trial.checked} of {len(trial.endpoint)} results "
        f"checked, worst error {trial.worst_error:.1e}"
    )


def _way(cell: Cell) -> str:
    between = " -> controller -> " if cell.topology == HUB else " -> "
    return between.join(cell.devices)


def _bytes_of(link: Link) -> str:
    if link.encoded_bytes is None:
        return f"{link.payload_bytes} bytes a request"
    raw = f", {link.sent_raw} tensors raw" if link.sent_raw else ""
    ratio = link.payload_bytes / link.encoded_bytes
    return (
        f"{link.encoded_bytes:.0f} bytes a request, {link.payload_bytes} before codec {link.codec} "
        f"({ratio:.2f} to 1{raw})"
    )


def _share(value: float | None) -> str:
    return "null" if value is None else f"{value:.4f}"


def _show_breakdown(trial: Trial) -> None:
    """Print a row a hop with the median milliseconds of each part, then what the network took.

    `receive`, `queue` (waiting to be sent) and `send` lie inside the network's share and are not added.
    """
    table = plain_table(
        "median ms of a request", "wait", "decode", "compute", "encode", "receive", "queue", "send"
    )
    names = (*IN_HOP, "receive_s", "wait_send_s", "send_s")
    for hop, rows in zip(trial.hops, trial.records, strict=True):
        table.add_row(
            f"{hop.device}, nodes {hop.start} to {hop.stop - 1}", *(_ms(rows[name]) for name in names)
        )
    show_table(table)
    requests = trial.endpoint
    if at_ends_s := np.median(requests["encode_s"]) + np.median(requests["decode_s"]):
        show(f"encoding at the source and decoding at the sink: {at_ends_s * 1e3:.2f} ms")
    on_network_s = network_s(requests, trial.records)
    show(f"network {_ms(on_network_s)} ms of {_ms(requests['latency_s'])} ms")


def _show_course(cell: Cell, trial: Trial) -> None:
    """Print the offered load, the latency where there are enough samples, and every doubt."""
    course = trial.course
    if cell.load != OFFLINE:
        show(f"load {cell.load}: {course.rate_per_s or 0:.4g} requests/s offered")
    if course.highest is not None:
        high = "?" if course.highest.high is None else f"{course.highest.high:.4g}"
        show(
            f"the highest rate within the bound is {course.highest.value:.4g} requests/s "
            f"(95 %: {course.highest.low:.4g} to {high})"
        )
    if course.bound_kept is False:
        show("no rate kept the latency bound; this is the lowest one tried")
    if course.overloaded:
        show("overloaded: requests came faster than results can; ignore the latency")
        return
    if course.steady is not None:
        _show_steady(course.steady)
        return
    latency_s = trial.endpoint["latency_s"]
    enough = {name: int(name[1:]) for name, fewest in SAMPLES_NEEDED.items() if len(latency_s) >= fewest}
    if enough:
        shown = (f"{name} {np.percentile(latency_s, q) * 1e3:.2f} ms" for name, q in enough.items())
        show(f"latency {', '.join(shown)} of {len(latency_s)} requests")
    if course.stable is False:
        show("unstable: the median latencies of the thirds of this run differ")


def _show_steady(steady: Steady) -> None:
    """Print an open load's long-run figures with their 95 % intervals."""
    known = {"mean": steady.latency_mean_s, **steady.quantiles_s}
    shown = ", ".join(f"{name} {_bounded_ms(value)}" for name, value in known.items() if value is not None)
    show(f"utilisation {steady.utilisation.value:.3f}")
    show(f"latency in the long run: {shown or 'unknown, too few requests'}")
    if wide := [name for name, value in steady.quantiles_s.items() if value is None]:
        show(f"{', '.join(wide)}: null, the interval is wider than 25 %")


def _bounded_ms(figure: Bounded) -> str:
    high = "?" if figure.high is None else f"{figure.high * 1e3:.2f}"
    return f"{figure.value * 1e3:.2f} ms ({figure.low * 1e3:.2f} to {high})"


def _ms(seconds: NDArray[np.float64]) -> str:
    return f"{np.median(seconds) * 1e3:.2f}"
