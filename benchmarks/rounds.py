"""The rounds of the benchmark: each runs every measurement once, so that a disturbance affects all alike."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.local_workers import DEVICES, Fleet
from benchmarks.measurement import Bench, Measurement
from benchmarks.measurements.backends import best_split, null_split
from benchmarks.measurements.balance import Balance
from benchmarks.measurements.cell_overhead import CellOverhead
from benchmarks.measurements.memory_growth import MemoryGrowth
from benchmarks.measurements.resplit import Resplit
from benchmarks.measurements.security_cost import SecurityCost
from benchmarks.measurements.wire import HopExcess, LinkFill, NullRate
from exporter.bundle import Bundle

__all__ = ["Clock", "measurements", "run_rounds"]


def measurements() -> tuple[Measurement, ...]:
    """All measurements, in the order of a round."""
    mobilenet = Balance(
        "mobilenet_v2",
        batch=1,
        requests=600,
        figures={
            "busy": "bottleneck_busy_b1",
            "speedup": "speedup_mobilenet_v2",
            "of_limit": "of_balance_limit_mobilenet_v2",
        },
    )
    return (
        mobilenet,
        best_split(mobilenet),
        HopExcess("64k", batch=16),
        HopExcess("0m8", batch=196),
        HopExcess("3m2", batch=784, requests=60),
        NullRate(),
        null_split(),
        Balance("mobilenet_v2", batch=8, requests=60, figures={"busy": "bottleneck_busy_b8"}),
        Balance("resnet50", batch=1, requests=60, figures={"of_limit": "of_balance_limit_resnet50"}),
        Balance("vgg16", batch=1, requests=24, figures={"of_limit": "of_balance_limit_vgg16"}),
        LinkFill(),
        Resplit(),
        CellOverhead(),
        SecurityCost(mobilenet),
        MemoryGrowth(),
    )


@dataclass
class Clock:
    """The time limit of the benchmark.

    Attributes:
        limit_s: Seconds from its creation; no round starts that would probably end later.
    """

    limit_s: float
    _began_s: float = field(default_factory=time.monotonic, init=False)
    _longest_s: float = field(default=0.0, init=False)

    @property
    def elapsed_s(self) -> float:
        """Seconds since its creation."""
        return time.monotonic() - self._began_s

    def note(self, round_s: float) -> None:
        """Record the duration of a round."""
        self._longest_s = max(self._longest_s, round_s)

    def allows_another(self) -> bool:
        """Whether a round as long as the longest would end in time."""
        return self.elapsed_s + self._longest_s <= self.limit_s


def run_rounds(
    chosen: Sequence[Measurement],
    bundles: Mapping[str, Bundle],
    cores: Sequence[int],
    *,
    rounds: int,
    clock: Clock,
    say: Callable[[str], None],
) -> tuple[dict[str, list[float]], Mapping[str, Any]]:
    """Run the chosen measurements.

    Returns:
        The values of each figure, one per round, and a worker's stamp.

    Raises:
        ControllerError: A worker did not start, or a pipeline failed.
    """
    results: dict[str, list[float]] = {key: [] for one in chosen for key in one.keys}
    with Fleet(cores, list(bundles.values())) as fleet:
        bench = Bench(cores, bundles, fleet)
        stamp = fleet.pool.workers[DEVICES[0]].info.stamp
        for number in range(rounds):
            if number and not clock.allows_another():
                say(f"stopping after {number} of {rounds} rounds: time limit reached")
                break
            began_s = clock.elapsed_s
            for one in chosen:
                if one.most_rounds is None or number < one.most_rounds:
                    shown = _run_once(one, bench, results)
                    say(f"round {number + 1}/{rounds}  {shown}")
            clock.note(clock.elapsed_s - began_s)
    return results, stamp


def _run_once(one: Measurement, bench: Bench, results: dict[str, list[float]]) -> str:
    """Run a measurement, add its values to `results`, and return them as a line."""
    began_s = time.monotonic()
    values = one.run(bench)
    for key, value in values.items():
        results[key].append(value)
    shown = "  ".join(f"{key} {value:.4g}" for key, value in values.items())
    return f"{time.monotonic() - began_s:5.1f} s  {shown}"
