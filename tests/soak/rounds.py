"""One round: a random sweep, faults while it runs, and in the end every trial once and no problems."""

import contextlib
import io
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from controller.results import Results
from controller.results.check import run_check
from controller.sweep.blocks import is_end
from exporter.bundle import Bundle
from tests.integration.faults.lab import FaultyWorker, sweeping, write_experiment
from tests.integration.faults.proxy import Proxy
from tests.integration.labs import running_workers, write_lab
from tests.soak.faults import FAULTS, Scene, Undo

__all__ = ["Tally", "run_round"]

_CALM_S = 180.0
"""How long the last call of a sweep, with nothing done to it, may take."""

_CAUSES = (
    *("exited", "not responding", "unreachable", "out of memory", "lost earlier in this sweep", "went away"),
    *("Connection reset", "closed it", "lost"),
)
"""Words in the reasons of void trials, by which these are counted; the first that is in one."""

_GOOD_CODES = (0, 1, 2, 130, -9, -2)
"""The last is that of ^C while it was ending anyway."""


@dataclass
class Tally:
    """What happened in all rounds."""

    faults: Counter[str] = field(default_factory=Counter)
    voids: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    calls: int = 0
    trials: int = 0
    recoveries: int = 0
    wrong: list[str] = field(default_factory=list)


def run_round(folder: Path, bundles: Path, chance: random.Random, tally: Tally, until_s: float) -> None:
    """Sweep until every trial is there; faults are injected until `until_s`, or there were enough."""
    names = ["pi", "desk", "server"][: chance.choice((2, 2, 3))]
    write_experiment(folder, **_experiment(chance, len(names)))
    faults_left = chance.randint(2, 12)
    injected_at: list[int] = []
    with ExitStack() as stack:
        workers, proxies = stack.enter_context(_lab(folder, names))
        while True:
            is_calm = faults_left <= 0 or time.monotonic() > until_s
            with sweeping(folder, bundles) as sweep:
                scene = Scene(chance, workers, proxies, sweep)
                if not is_calm:
                    faults_left -= _torment(scene, tally, injected_at, faults_left)
                code = sweep.end(_CALM_S)
            tally.calls += 1
            if code not in _GOOD_CODES:
                tally.wrong.append(f"exit code {code}: {sweep.said[-3:]}")
                return
            if code == 0:
                break
            if is_calm:
                tally.wrong.append(f"not complete without faults: {code}: {sweep.said[-3:]}")
                return
    _judge(sweep.results, Bundle.open(bundles / "tiny"), tally, injected_at)


def _torment(scene: Scene, tally: Tally, injected_at: list[int], most: int) -> int:
    """Do harm now and then until the sweep has ended; gives how often."""
    undone: list[tuple[float, Undo]] = []
    count = 0
    next_at_s = time.monotonic() + scene.chance.uniform(0.2, 6.0)
    while scene.sweep.process.poll() is None:
        now_s = time.monotonic()
        for due in [one for one in undone if one[0] <= now_s]:
            undone.remove(due)
            due[1]()
        if now_s >= next_at_s and count < most:
            fault = scene.chance.choice(FAULTS)
            undo = fault.do(scene)
            if undo is not None:
                undone.append((now_s + scene.chance.uniform(0.0, fault.at_most_s), undo))
                tally.faults[fault.name] += 1
                injected_at.append(scene.sweep.finished())
                count += 1
            next_at_s = now_s + scene.chance.uniform(0.2, 2.5)
        time.sleep(0.01)
    for _, undo in undone:
        undo()
    return max(count, 1)


def _experiment(chance: random.Random, devices: int) -> dict[str, Any]:
    # Long enough that most faults find trials under way, short enough for many rounds.
    network, requests = chance.choice((("ideal", 200), ("ideal", 600), ("slow", 11)))
    load, topology = chance.choice(("offline", "offline", "constant:500/s")), chance.choice(("chain", "hub"))
    return {
        "networks": [network],
        "splits": [2 if devices == 2 else [1, 3]],
        "depths": sorted(chance.sample((1, 2, 3, 5), 2)),
        "batches": [chance.choice((1, 4))],
        "trials": chance.randint(3, 8),
        "requests": requests,
        "codecs": [chance.choice(("none", "none", "fp16"))],
        "loads": [load],
        "topologies": [topology],
        "source": chance.choice(("first", "first", "controller")),
        "on_failure": chance.choice(("wait", "wait", "skip", "stop")),
        "wait_s": chance.choice((3, 15)),
        "seed": chance.randrange(1000),
    }


@contextlib.contextmanager
def _lab(folder: Path, names: Sequence[str]) -> Iterator[tuple[dict[str, FaultyWorker], list[Proxy]]]:
    """Workers; connections to the last one, control and data, go through proxies that can reset them."""
    with ExitStack() as stack:
        workers = stack.enter_context(running_workers(folder, names, kind=FaultyWorker))
        last = workers[names[-1]].device()
        proxies = {key: stack.enter_context(Proxy(last[key])) for key in ("control_port", "data_port")}
        devices = [worker.device() for worker in workers.values()]
        devices[-1] |= {key: proxy.port for key, proxy in proxies.items()}
        write_lab(folder, devices)
        yield workers, list(proxies.values())


def _judge(path: Path, bundle: Bundle, tally: Tally, injected_at: Sequence[int]) -> None:
    """Note missing trials, cells with too many, and the problems that `controller check` finds.

    A block that makes up for a void trial has both ends once more.
    """
    with Results.open(path) as results:
        trials_a_cell = results.experiment()["trials"]
        done = Counter(cell for cell, _ in results.finished())
        left = {cell: trials_a_cell - done[cell.id] for cell in results.cells()}
        missing = sum(max(trials, 0) for trials in left.values())
        more = sum(trials < 0 and not is_end(cell, bundle) for cell, trials in left.items())
        for _, _, reason, _, _ in results.voids():
            tally.voids[_cause(reason)] += 1
    if missing or more:
        tally.wrong.append(f"{path}: {missing} trials missing, {more} cells with too many")
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        is_well = run_check(path)
    if not is_well:
        tally.wrong.append(told.getvalue())
    tally.rounds += 1
    trials = done.total()
    tally.trials += trials
    # A fault is recovered from once another trial is there.
    tally.recoveries += sum(at < trials for at in injected_at)


def _cause(reason: str) -> str:
    return next((cause for cause in _CAUSES if cause in reason), reason)
