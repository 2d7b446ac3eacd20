"""Whether a worker's memory grows with the number of served requests."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.bundles import NULL
from benchmarks.local_workers import Fleet
from benchmarks.measurement import Bench
from benchmarks.pipelines import pipeline, run

__all__ = ["MemoryGrowth"]


@dataclass(frozen=True)
class MemoryGrowth:
    """New workers each round serve few null requests, then many; records are collected after each run."""

    few: int = 1_000
    many: int = 100_000
    most_rounds: int | None = 3
    keys: tuple[str, ...] = ("memory_growth",)
    needs: tuple[str, ...] = (NULL,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Report the worker that grew more."""
        null = bench.bundles[NULL]
        with (
            Fleet(bench.cores, [null]) as fleet,
            pipeline(fleet, null, (2,), depth=16, check_every=0) as runner,
        ):
            run(runner, self.few, warmup=0)
            after_few = fleet.resident_bytes()
            run(runner, self.many, warmup=0)
            after_many = fleet.resident_bytes()
        return {"memory_growth": max(many / few for few, many in zip(after_few, after_many, strict=True))}
