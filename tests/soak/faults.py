"""What may happen to a lab while a sweep runs: each fault does its harm, and says how it is undone."""

import os
import random
import signal
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.integration.faults.lab import FaultyWorker, SweepProcess
from tests.integration.faults.proxy import Proxy

__all__ = ["FAULTS", "Fault", "Scene"]

Undo = Callable[[], None]


@dataclass
class Scene:
    """What faults act on."""

    chance: random.Random
    workers: dict[str, FaultyWorker]
    proxies: list[Proxy]
    sweep: SweepProcess
    hurt: set[str] = field(default_factory=set)
    """Names of workers that something is done to already."""

    def worker(self) -> FaultyWorker | None:
        """One of those that are well."""
        well = sorted(self.workers.keys() - self.hurt)
        if not well:
            return None
        name = self.chance.choice(well)
        self.hurt.add(name)
        return self.workers[name]


@dataclass(frozen=True)
class Fault:
    """`do` gives what undoes it within `at_most_s`; None where there was nothing to do it to."""

    name: str
    do: Callable[[Scene], Undo | None]
    at_most_s: float


def _restart(scene: Scene, worker: FaultyWorker) -> Undo:
    def undo() -> None:
        worker.kill()
        worker.disarm()
        worker.start()
        scene.hurt.discard(worker.name)

    return undo


def _kill_worker(scene: Scene) -> Undo | None:
    if (worker := scene.worker()) is None:
        return None
    worker.kill()
    return _restart(scene, worker)


def _kill_at(point: str) -> Callable[[Scene], Undo | None]:
    def do(scene: Scene) -> Undo | None:
        if (worker := scene.worker()) is None:
            return None
        worker.arm(point)
        return _restart(scene, worker)

    return do


def _take_memory(scene: Scene) -> Undo | None:
    if (worker := scene.worker()) is None:
        return None
    worker.arm("loading", None)
    return _restart(scene, worker)


def _stop_worker(scene: Scene) -> Undo | None:
    if (worker := scene.worker()) is None:
        return None
    os.kill(worker.pid, signal.SIGSTOP)

    def undo() -> None:
        os.kill(worker.pid, signal.SIGCONT)
        scene.hurt.discard(worker.name)

    return undo


def _reset(scene: Scene) -> Undo:
    scene.chance.choice(scene.proxies).reset()
    return lambda: None


def _kill_controller(scene: Scene) -> Undo:
    scene.sweep.process.kill()
    return lambda: None


def _interrupt_controller(scene: Scene) -> Undo | None:
    # Python has words of its own for ^C while it still starts.
    if not scene.sweep.said:
        return None
    scene.sweep.process.send_signal(signal.SIGINT)
    return lambda: None


def _stop_controller(scene: Scene) -> Undo:
    sweep = scene.sweep.process
    sweep.send_signal(signal.SIGSTOP)
    return lambda: sweep.send_signal(signal.SIGCONT)


FAULTS = (
    Fault("worker killed", _kill_worker, 2.0),
    Fault("worker killed while loading", _kill_at("loading"), 2.0),
    Fault("worker killed while computing", _kill_at("computing"), 2.0),
    Fault("worker killed while sending", _kill_at("sending"), 2.0),
    Fault("worker out of memory", _take_memory, 3.0),
    Fault("worker stopped", _stop_worker, 12.0),
    Fault("connections reset", _reset, 0.0),
    Fault("controller killed", _kill_controller, 0.0),
    Fault("controller interrupted", _interrupt_controller, 0.0),
    Fault("controller stopped", _stop_controller, 6.0),
)
