"""How long a live pipeline gives no results during a re-split."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.measurement import Bench
from benchmarks.pipelines import pipeline, run

__all__ = ["Resplit"]

_DEPTH = 4
_MODEL = "mobilenet_v2"


@dataclass(frozen=True)
class Resplit:
    """Re-split a pipeline while its workers keep running."""

    requests: int = 40
    most_rounds: int | None = None
    keys: tuple[str, ...] = ("resplit_s",)
    needs: tuple[str, ...] = (_MODEL,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Time from the last result before to the first result after, on one clock."""
        bundle = bench.bundles[_MODEL]
        cuts = bundle.clean_cuts()
        one, other = cuts[len(cuts) // 3], cuts[2 * len(cuts) // 3]
        with pipeline(bench.fleet, bundle, (one,), depth=_DEPTH) as runner:
            before = run(runner, self.requests, warmup=_DEPTH)
            changed = pipeline(bench.fleet, bundle, (other,), depth=_DEPTH)
            runner.resplit(changed.cell, changed.plan)
            after = run(runner, self.requests, warmup=0)
        dead_s = after.endpoint_rows["finished_at_s"][0] - before.endpoint_rows["finished_at_s"][-1]
        return {"resplit_s": float(dead_s)}
