"""How long a live pipeline gives no results while it changes to another split."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.local_workers import DEVICES
from benchmarks.measurement import Bench
from benchmarks.pipelines import pipeline, plan, run
from controller.experiment.cells import cell_of
from controller.results import Settings

__all__ = ["Resplit"]

_DEPTH = 4
_MODEL = "mobilenet_v2"


@dataclass(frozen=True)
class Resplit:
    """From one split to another and back, both on workers that keep running, without timing stages alone."""

    requests: int = 40
    most_rounds: int | None = None
    keys: tuple[str, ...] = ("resplit_s",)
    needs: tuple[str, ...] = (_MODEL,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """See `Measurement.run`. From the last result before to the first one after, on one clock."""
        bundle = bench.bundles[_MODEL]
        cuts = bundle.clean_cuts()
        one, other = cuts[len(cuts) // 3], cuts[2 * len(cuts) // 3]
        with pipeline(bench.fleet, bundle, (one,), depth=_DEPTH) as runner:
            before = run(runner, self.requests, warmup=_DEPTH)
            cell = cell_of(bundle, DEVICES, (other,), Settings(depth=_DEPTH))
            runner.resplit(cell, plan(bench.fleet, bundle, cell, solo_runs=0))
            after = run(runner, self.requests, warmup=0)
        dead_s = after.endpoint["finished_at_s"][0] - before.endpoint["finished_at_s"][-1]
        return {"resplit_s": float(dead_s)}
