"""One cell, run once: the quick look before a sweep."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from controller.console import output, plain_table
from controller.errors import ExperimentError
from controller.experiment.backend import BACKENDS, RpcSettings
from controller.experiment.cells import (
    chain_at,
    check_batch,
    label_of,
    with_backend,
    with_codec,
    with_topology,
)
from controller.experiment.codec_assignment import check_pairs, parse_choice
from controller.experiment.feasibility import check_feasible
from controller.experiment.load import OFFLINE, SINGLE, check_requests
from controller.experiment.networks import AS_IS, Network, find_network, load_networks
from controller.experiment.topology import CONTROLLER
from controller.lab.inventory import Lab
from controller.lab.worker_pool import WorkerPool
from controller.links import link_check
from controller.pipeline.accuracy import allowed_error, codec_accuracies
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import plan_pipeline
from controller.pipeline.rpc import require_rpc
from controller.pipeline.runner import PipelineRunner
from controller.pipeline.trial import run_trial
from controller.results import CHAIN, HUB, SOCKET, Cell, CodecAccuracy, Link, Trial
from controller.results.metrics import SAMPLES_NEEDED
from exporter.bundle import Bundle
from worker.wire.codecs import NO_CODEC
from worker.wire.messages import Run

__all__ = ["OneCell", "print_breakdown", "run_one_cell", "show_course"]

_TIMEOUT_S = 600.0
_WAIT_S = 5.0


@dataclass(frozen=True)
class OneCell:
    """A cell as it is asked for on the command line."""

    at: str
    devices: str | None
    depth: int
    batch: int
    load: str
    prefetch: int | None
    requests: int
    duration_s: float | None
    until_stable: bool
    warmup: int
    threads: int | None
    network: str
    source: str
    codec: str
    topology: str
    networks_file: Path
    backend: str = SOCKET
    rpc: RpcSettings = RpcSettings()

    def cell(self, bundle: Bundle, lab: Lab) -> Cell:
        """The cell, with its cuts found.

        Raises:
            ExperimentError: The cuts are not in the model, or do not fit the number of devices.
            LabError: No such device.
        """
        devices, cuts = chain_at(bundle, lab, self.at, self.devices)
        shaping = "none" if self.network == AS_IS else lab.shaping(devices)
        check_batch(bundle, self.batch, asked_by="--batch")
        if self.duration_s is not None and not 0 < self.duration_s < math.inf:
            raise ExperimentError(f"--duration {self.duration_s:g}: it must be above 0 seconds")
        requests = self.requests if self.duration_s is None else None
        check_requests(self.load, requests, asked_by="--load", requests_by="--requests")
        if self.source not in ("first", CONTROLLER):
            raise ExperimentError(f"--source {self.source}: it is either first or controller")
        if self.topology not in (CHAIN, HUB):
            raise ExperimentError(f"--topology {self.topology}: it is either {CHAIN} or {HUB}")
        codec = parse_choice(self.codec, "--codec")
        check_pairs(codec, devices, "--codec")
        cell = Cell(
            model=bundle.manifest.model,
            bundle=bundle.digest,
            cuts=cuts,
            label=label_of(bundle, cuts),
            devices=devices,
            depth=1 if self.load == SINGLE else self.depth,
            batch=self.batch,
            network=self.network,
            shaping=shaping,
            precision=bundle.manifest.precision,
            source=self.source,
            load=OFFLINE if self.load == SINGLE else self.load,
            prefetch=self.prefetch,
        )
        if self.backend not in BACKENDS:
            raise ExperimentError(f"--backend {self.backend}: it is either {' or '.join(BACKENDS)}")
        cell = with_topology(with_codec(cell, codec, bundle), self.topology, bundle)
        return with_backend(cell, self.backend, bundle)

    def closed_run(self) -> Run:
        """The trial as it is in a closed loop."""
        return Run(
            requests=self.requests,
            duration_s=self.duration_s,
            until_stable=self.until_stable,
            timeout_s=_TIMEOUT_S,
        )

    def samples(self) -> int | None:
        """How many of the bundle's samples it uses; None where nobody knows before."""
        ends_by_count = self.duration_s is None and not self.until_stable and self.load in (OFFLINE, SINGLE)
        return max(self.requests, self.warmup) * self.batch if ends_by_count else None

    def conditions(self, cell: Cell, lab: Lab) -> Network:
        """The network of the cell; links that nobody imposes one on have none.

        Raises:
            ExperimentError: No such network, or one of other devices, or an emulated link cannot do it.
        """
        network = Network()
        if cell.shaping != "none":
            networks = load_networks(self.networks_file)
            network = find_network(networks, self.network, self.networks_file)
            network.check_pairs(self.network, [device.name for device in lab.devices])
        check_feasible(cell, network)
        return network


def run_one_cell(asked: OneCell, bundle: Bundle, lab: Lab) -> None:
    """Run the cell once and print where its time went.

    Raises:
        ControllerError: The cell cannot be, a device is not there, or the trial is void.
    """
    cell = asked.cell(bundle, lab)
    network = asked.conditions(cell, lab)
    controller_endpoint = ControllerEndpoint.of(cell, lab)
    coded = cell.codec != NO_CODEC.name
    found = next(codec_accuracies(bundle, [cell], asked.samples())) if coded else None
    checking = link_check(lab, cell.network, network)
    with WorkerPool(lab, cell.devices, _WAIT_S, link_check=checking) as pool:
        plan = plan_pipeline(
            cell.id,
            cell,
            bundle,
            lab,
            network,
            threads={w.name: asked.threads or w.info.threads for w in pool.workers.values()},
            allowed_error=allowed_error(found),
            controller_addresses=controller_endpoint.addresses if controller_endpoint else None,
            rpc=asked.rpc,
        )
        pool.require_codecs(plan.links)
        require_rpc(pool.workers, [cell], asked.rpc)
        with PipelineRunner(plan, cell, bundle, pool.workers, controller_endpoint) as runner:
            trial = run_trial(runner, cell, 0, asked.closed_run(), seed=0, warmup=asked.warmup)
    _show(cell, trial, found)


def _show(cell: Cell, trial: Trial, found: CodecAccuracy | None) -> None:
    console = output()
    console.print(
        f"{cell.model} cut at {cell.label} over {_way(cell)}, depth {cell.depth}, batch "
        f"{cell.batch}, network {cell.network} (shaping={cell.shaping})"
        + (f", over {cell.backend}" if cell.backend != SOCKET else "")
    )
    print_breakdown(trial, console)
    show_course(cell, trial, console)
    for link in trial.links:
        if link.sender != link.receiver:
            console.print(f"{link.sender} -> {link.receiver}: {_bytes_of(link)}")
    if found is not None:
        console.print(
            f"codecs: {cell.codec}; worst tensor error {found.tensor_error:.1e}; accuracy "
            f"{_share(found.chain)}, of the whole graph {_share(found.whole)}, over {found.samples} samples"
        )
    samples = len(trial.endpoint) * cell.batch
    console.print(
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


_COMPUTER = {"wait": "wait_compute_s", "decode": "decode_s", "compute": "compute_s", "encode": "encode_s"}

_AT_ENDPOINT = ("wait_source_s", "encode_s", "decode_s")


def print_breakdown(trial: Trial, console: Console) -> None:
    """Print a row a hop with the median milliseconds of each part, then what the network took.

    The network's share of a request is its latency less its wait at the source, the codecs' time at source
    and sink, and what its hops compute and make it wait for; `receive`, `queue` (waiting to be sent) and
    `send` lie inside it and are not added.
    """
    table = plain_table("median ms of a request", *_COMPUTER, "receive", "queue", "send")
    requests = np.sort(trial.endpoint, order="request")
    accounted: NDArray[np.float64] = np.sum([requests[name] for name in _AT_ENDPOINT], axis=0)
    for hop, unsorted in zip(trial.hops, trial.records, strict=True):
        rows = np.sort(unsorted, order="request")
        accounted += np.sum([rows[name] for name in _COMPUTER.values()], axis=0)
        names = (*_COMPUTER.values(), "receive_s", "wait_send_s", "send_s")
        table.add_row(
            f"{hop.device}, nodes {hop.start} to {hop.stop - 1}", *(_ms(rows[name]) for name in names)
        )
    console.print(table)
    if at_ends_s := np.median(requests["encode_s"]) + np.median(requests["decode_s"]):
        console.print(f"encoding at the source and decoding at the sink: {at_ends_s * 1e3:.2f} ms")
    whole_s = requests["latency_s"]
    console.print(f"network {_ms(whole_s - accounted)} ms of {_ms(whole_s)} ms")


def show_course(cell: Cell, trial: Trial, console: Console) -> None:
    """Print what was offered and what came of it: latency where there are samples enough, and every doubt."""
    course = trial.course
    if cell.load != OFFLINE:
        console.print(f"load {cell.load}: {course.rate_per_s or 0:.4g} requests/s offered")
    if course.bound_kept is False:
        console.print("no rate kept the bound on latency; this is the lowest that was tried")
    if course.overloaded:
        console.print("overloaded: requests came faster than results, so their latency says nothing")
        return
    latency_s = trial.endpoint["latency_s"]
    enough = {name: int(name[1:]) for name, wanted in SAMPLES_NEEDED.items() if len(latency_s) >= wanted}
    if enough:
        found = (f"{name} {np.percentile(latency_s, q) * 1e3:.2f} ms" for name, q in enough.items())
        console.print(f"latency {', '.join(found)} of {len(latency_s)} requests")
    if course.stable is False:
        console.print(f"unstable: the estimate did not settle within {course.windows} windows")


def _ms(seconds: NDArray[np.float64]) -> str:
    return f"{np.median(seconds) * 1e3:.2f}"
