"""Results files with the physics of two unequal devices, written through the real store.

`pi` (ten times slower) and `server` run a network of 60 nodes whose activations shrink towards the
end. Under `lan` the best is to offload, under `wifi` to cut, under `wan` to stay.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import numpy as np
from numpy.typing import NDArray

from controller.results import (
    TIMED,
    Accuracy,
    BaselineTrial,
    Block,
    Cell,
    DeviceRow,
    Hop,
    Link,
    LinkUse,
    Objective,
    Sentinel,
    Store,
    Trial,
    reference_boxes,
)
from exporter.bundle.manifest import digest_of
from worker.records import ENDPOINT, HOP

AT = "2026-03-01T10:00:00+00:00"
NODES = 60
INPUT_BYTES = 3 * 64 * 64 * 4
OUTPUT_BYTES = 40

Series = NDArray[np.float64]


@dataclass
class Physics:
    """What is true of the world that a sweep then measures; seconds, bytes, Mbit/s."""

    whole_s: tuple[float, float] = (0.040, 0.004)
    networks: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {"lan": (1000.0, 0.0002), "wifi": (20.0, 0.005), "wan": (2.0, 0.040)}
    )
    noise: float = 0.01
    handover_s: float = 2e-5

    def crossing_bytes(self, cut: int) -> int:
        if cut == 0:
            return INPUT_BYTES
        if cut == NODES:
            return OUTPUT_BYTES
        return int(16 * 32 * 32 * 4 * (1 - cut / NODES) ** 1.6 * (1.6 if cut % 4 == 2 else 0.7)) + 160


def manifest(*, trained: bool = True) -> dict[str, Any]:
    physics = Physics()
    points = [
        {
            "index": i,
            "clean": i % 2 == 0,
            "block": i % 6 == 0,
            "module": _module(i),
            "tensors": [
                {"name": f"t{i}", "dtype": "float32", "shape": ["batch", physics.crossing_bytes(i) // 4]}
            ],
            "bytes_per_sample": physics.crossing_bytes(i),
            "params_before_share": (i / NODES) ** 2,
            "macs_before_share": i / NODES,
        }
        for i in range(1, NODES)
    ]
    content = {
        "model": "mobilenet_v2",
        "precision": "fp32",
        "node_count": NODES,
        "trained": trained,
        "dataset": "digits" if trained else "random",
        "parameters": 2_236_682,
        "multiply_adds": 25_600_000,
        "cut_points": points,
    }
    return content | {"digest": digest_of(content)}


def _module(cut: int) -> str:
    return f"features.{cut // 6}" + ("" if cut % 6 == 0 else f".conv.{cut % 6}")


BUNDLE = str(manifest()["digest"])
"""The digest of the trained one."""

CELL = Cell(
    model="m",
    bundle=BUNDLE,
    cuts=(2,),
    label="two",
    devices=("pi", "server"),
    network="lan",
    shaping="emulated",
)


def run_trial(cell: Cell, number: int, requests: int, physics: Physics, rng: np.random.Generator) -> Trial:
    """A closed loop of two stages: latency from the slowest stage once the depth fills it."""
    rate_mbit, delay_s = physics.networks[cell.network]
    cut = cell.cuts[0]
    shares = ((0, cut), (cut, NODES))
    slow = 1 + physics.noise * rng.standard_normal()
    stages = [
        (d, a, b, physics.whole_s[i] * (b - a) / NODES * slow)
        for i, (d, (a, b)) in enumerate(zip(cell.devices, shares, strict=True))
        if b > a
    ]
    there_s, back_s = (physics.crossing_bytes(c) * 8 / (rate_mbit * 1e6) for c in (cut, NODES))
    crosses = cut < NODES
    network_s = (there_s + back_s + 2 * delay_s) if crosses else physics.handover_s
    slowest_s = max([s for *_, s in stages] + ([there_s] if crosses else []))
    compute = [s * (1 + physics.noise * np.abs(rng.standard_normal(requests))) for *_, s in stages]
    alone_s = sum(s for *_, s in stages) + network_s
    wait_s = max(0.0, cell.depth * slowest_s - alone_s)
    network = network_s * (1 + physics.noise * np.abs(rng.standard_normal(requests)))
    waits_s = [physics.handover_s + (wait_s if i == 0 else 0.0) for i in range(len(stages))]
    latency = network + sum(c + waits for c, waits in zip(compute, waits_s, strict=True))
    elapsed_s = float(latency.sum() / cell.depth)
    endpoint, hops = _rows(cell.depth, elapsed_s, latency, waits_s, compute, network / 2)
    for i, rows in enumerate(hops):
        rows["receive_s"] = there_s if i == 1 else 0.0
        rows["send_s"] = there_s if i == 0 and crosses else back_s
        rows["wait_send_s"] = physics.handover_s
    # The frame after the last that counts ends an account; a sequential run has none.
    frames = requests if cell.depth > 1 else requests - 1
    there, back = (
        LinkUse("emulation", frames, elapsed_s * frames / requests, frames * each_s, 0.0, 0.0, 0.0, 0, 0.0)
        for each_s in (there_s, back_s)
    )
    links = (
        Link(cell.devices[0], cell.devices[1], physics.crossing_bytes(cut), use=there),
        Link(cell.devices[1], cell.devices[0], OUTPUT_BYTES, use=back),
    )
    return Trial(
        cell=cell.id,
        number=number,
        started_at=AT,
        elapsed_s=elapsed_s,
        checked=requests,
        worst_error=2e-7,
        hops=tuple(Hop(d, a, b, 1, 0.01, s) for d, a, b, s in stages),
        links=links if crosses else (Link(cell.devices[0], cell.devices[0], OUTPUT_BYTES),),
        endpoint_rows=endpoint,
        hop_rows=tuple(hops),
        environment=1,
    )


def _rows(
    depth: int, elapsed_s: float, latency: Series, waits_s: list[float], compute: list[Series], back: Series
) -> tuple[NDArray[np.void], list[NDArray[np.void]]]:
    """Rows of the endpoint and of each hop, in order: of the requests that count, and of some like these.

    As many as are in flight fill the pipeline before, and all but one of them drain it after.

    Args:
        latency: Seconds of each request that counts.
        waits_s: For each stage, the wait before it computes.
        compute: For each stage, seconds of each request.
        back: Seconds of each request between the last stage and the endpoint.
    """
    counted = slice(depth, depth + len(latency))
    like = (np.arange(counted.stop + depth - 1) - depth).clip(0, len(latency) - 1)
    latency, back, compute = latency[like], back[like], [seconds[like] for seconds in compute]
    # What is left of each request as a stage begins to compute.
    left = [latency - waits_s[0], compute[-1] + back][: len(compute)]
    period_s = elapsed_s / (counted.stop - counted.start)
    # Each begins after the one before, everywhere.
    gaps = np.max([np.diff(span, prepend=span[0]) for span in (latency, *left)], axis=0).clip(0.0)
    assert gaps[counted].mean() <= period_s, "requests are too unlike each other to come in order"
    gaps[counted] += period_s - gaps[counted].mean()
    gaps[: counted.start] = gaps[counted.stop :] = period_s
    endpoint = np.zeros(len(like), ENDPOINT)
    endpoint["request"], endpoint["latency_s"] = np.arange(len(like)), latency
    endpoint["counted"][counted] = 1
    endpoint["finished_at_s"] = latency[0] + np.cumsum(gaps)
    endpoint["scheduled_at_s"] = endpoint["finished_at_s"] - latency
    hops = []
    for wait_s, compute_s, left_s in zip(waits_s, compute, left, strict=True):
        rows = np.zeros(len(like), HOP)
        rows["request"], rows["compute_s"], rows["wait_compute_s"] = endpoint["request"], compute_s, wait_s
        rows["compute_at_s"] = endpoint["finished_at_s"] - left_s
        rows["received_at_s"] = rows["compute_at_s"] - wait_s
        hops.append(rows)
    return endpoint, hops


_Options = ParamSpec("_Options")


def _once(
    write: Callable[Concatenate[Path, _Options], Path],
) -> Callable[Concatenate[Path, _Options], Path]:
    """Write each file once; after that, copy it."""
    written: dict[str, bytes] = {}

    def copy(path: Path, /, *args: _Options.args, **options: _Options.kwargs) -> Path:
        key = repr((args, sorted(options.items())))
        if key not in written:
            written[key] = write(path, *args, **options).read_bytes()
        path.write_bytes(written[key])
        return path

    return copy


@_once
def write_sweep(
    path: Path,
    *,
    physics: Physics | None = None,
    trials: int = 3,
    cuts: Sequence[int] = (0, *range(2, NODES, 2), NODES),
    depths: Sequence[int] = (1, 4),
    requests: Sequence[int] = (11, 24),
    skip: Sequence[int] = (),
    voids: Sequence[int] = (),
    trained: bool = True,
    shaping: str = "emulated",
    kind: str = "local",
    slowdown: float = 10.0,
    disagree_at: int | None = None,
    drift: float = 0.01,
    telemetry: bool = False,
    objectives: Sequence[Objective] = TIMED,
    devices: tuple[str, str] = ("pi", "server"),
) -> Path:
    """Write a sweep to `path`. `skip` and `voids` are cuts whose cells are unfinished or fail once."""
    physics = physics or Physics()
    rng = np.random.default_rng(7)
    text = f"name: demo\nseed: 7\ntrials: {trials}\n"
    bundle = manifest(trained=trained)
    digest = bundle["digest"]
    with Store.create(
        path, name="demo", text=text, seed=7, trials=trials, created_at=AT, objectives=objectives
    ) as store:
        # Flushing each trial to the disk takes longer than all else, and no test cuts the power.
        store._db.execute("PRAGMA synchronous = OFF")
        stamp = {"python": "3.11.2", "onnxruntime": "1.31.1", "kernel": "6.1.0-25-amd64", "governor": None}
        first, second = devices
        rows = [
            DeviceRow(first, kind, slowdown, {**stamp, "device": "emulated" if slowdown != 1 else "native"}),
            DeviceRow(second, kind, 1.0, {**stamp, "device": "native"}),
        ]
        environment = store.add_environment(AT, {**stamp, "edgecut": "0.1.0"}, rows)
        store.add_bundle(digest, "mobilenet_v2", json.dumps(bundle))
        for position, (name, (rate_mbit, delay_s)) in enumerate(physics.networks.items()):
            requested = {
                "description": f"{name} as requested",
                "delay_ms": delay_s * 1e3,
                "rate_mbit": rate_mbit,
            }
            store.add_network(name, position, shaping, requested)
        cells = [
            Cell(
                model="mobilenet_v2",
                bundle=digest,
                cuts=(c,),
                label=_label(c),
                devices=devices,
                depth=d,
                network=p,
                shaping=shaping,
            )
            for p in physics.networks
            for c in cuts
            if p == next(iter(physics.networks)) or c % 6 == 0
            for d in depths
        ]
        store.add(*cells)
        store.add(
            *(Block(name, b, AT, whole=True) for name in physics.networks for b in range(max(3, trials)))
        )
        for cell in cells:
            for number in range(trials):
                if cell.cuts[0] in voids and number == 0:
                    store.add_void(cell.id, number, environment, AT, "server: connection lost", "server")
                if cell.cuts[0] not in skip:
                    count = requests[depths.index(cell.depth)]
                    trial = run_trial(cell, number, count, physics, rng)
                    store.add_trial(replace(trial, telemetry=_telemetry(cell, rng) if telemetry else {}))
        for i, name in enumerate(devices):
            for number in range(trials):
                runs = physics.whole_s[i] * (1 + physics.noise * np.abs(rng.standard_normal(20)))
                times_s = tuple(map(float, runs))
                for network in physics.networks:
                    row = BaselineTrial("mobilenet_v2", network, digest, name, 1, number, 1, AT, times_s)
                    store.add(row, environment=environment)
        whole = 0.953 if trained else None
        for c in cuts:
            chain = 0.5 if c == disagree_at else whole
            store.add(Accuracy(digest, (c,), 128, whole, chain, 3e-7))
        for name in physics.networks:
            for block, factor in enumerate((1.0, 1 + drift / 2, 1 + drift)):
                times_s = tuple(0.04 * factor * (1 + 0.001 * (repeat % 5)) for repeat in range(21))
                store.add(Sentinel(name, block, second, "", AT, times_s), environment=environment)
        store.add(*reference_boxes(store, list(physics.networks)))
    return path


def _telemetry(cell: Cell, rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """A sample before and two during the trial, of every device."""
    return {
        name: [
            {
                "at_s": at_s,
                "process_cpu_percent": float(rng.uniform(20, 90)),
                "host_cpu_percent": float(rng.uniform(10, 60)),
                "process_memory_bytes": int(rng.uniform(4e7, 6e7)),
                "frequency_mhz": 1800.0,
                "temperature_c": float(rng.uniform(50, 60)),
            }
            for at_s in (0.0, 1.0, 2.0)
        ]
        for name in cell.devices
    }


def _label(cut: int) -> str:
    if cut in (0, NODES):
        return "input" if cut == 0 else "output"
    return _module(cut)
