"""How close a pipeline of two devices comes to the limit of its slower stage."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.measurement import Bench
from benchmarks.pipelines import pipeline, run
from controller.experiment.networks import AS_IS
from controller.pipeline.baseline import baseline_trial
from controller.results import Trial
from controller.results.metrics import throughput_per_s
from exporter.bundle import Bundle

__all__ = ["Balance"]

_DEPTH = 4
_TRIED_AROUND = 2


@dataclass
class Balance:
    """A model in its best two-way split at depth 4, one core and one thread a stage, against the whole model.

    Attributes:
        requests: Timed requests in each round.
        figures: Keys of the values `busy`, `speedup`, `of_limit`.
    """

    model: str
    batch: int
    requests: int
    figures: Mapping[str, str]
    most_rounds: int | None = None
    _cut: int | None = field(default=None, init=False)

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.figures.values())

    @property
    def needs(self) -> tuple[str, ...]:
        return (self.model,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Time the whole model before and after the pipeline, and the halves alone after its run."""
        bundle = bench.bundles[self.model]
        cut = self.cut(bench)
        before_s = self._whole_s(bench, bundle)
        trial, alone_s = self._trial(bench, bundle, cut, self.requests)
        whole_s = statistics.mean([before_s, self._whole_s(bench, bundle)])
        rate = throughput_per_s(trial, 1)
        slower_s = max(alone_s)
        values = {
            "busy": rate * slower_s,
            "speedup": rate * whole_s,
            "of_limit": rate * slower_s,
        }
        return {key: values[name] for name, key in self.figures.items()}

    def cut(self, bench: Bench) -> int:
        """The best split, values at the first call."""
        if self._cut is None:
            self._cut = self._best_cut(bench, bench.bundles[self.model])
        return self._cut

    def _whole_s(self, bench: Bench, bundle: Bundle) -> float:
        """Seconds of the whole model in a bare ONNX Runtime loop on the first device's core."""
        baseline, _ = baseline_trial(
            bench.fleet.pool.workers["first"],
            bundle,
            network=AS_IS,
            batch=self.batch,
            number=0,
            threads=1,
            requests=max(5, self.requests // 8),
            warmup=2,
        )
        return statistics.median(baseline.compute_s)

    def _trial(self, bench: Bench, bundle: Bundle, cut: int, requests: int) -> tuple[Trial, list[float]]:
        """A trial, and its two stages' times alone."""
        with pipeline(bench.fleet, bundle, (cut,), depth=_DEPTH, batch=self.batch) as runner:
            trial = run(runner, requests, warmup=_DEPTH)
            return trial, list(runner.time_alone((0, 1)).values())

    def _best_cut(self, bench: Bench, bundle: Bundle) -> int:
        """The clean cut with the highest throughput near the one with equally long halves."""
        cuts = bundle.clean_cuts()
        low, high = 0, len(cuts) - 1
        while low < high:
            middle = (low + high) // 2
            _, (front_s, back_s) = self._trial(bench, bundle, cuts[middle], _DEPTH)
            if front_s < back_s:
                low = middle + 1
            else:
                high = middle
        around = cuts[max(0, low - _TRIED_AROUND) : low + _TRIED_AROUND]
        few = max(3 * _DEPTH, self.requests // 4)
        return max(around, key=lambda cut: throughput_per_s(self._trial(bench, bundle, cut, few)[0], 1))
