"""The time of a sweep's cell beside its requests."""

import itertools
import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measurement import Bench
from controller.console import Screen
from controller.experiment.resolve import resolve
from controller.results import Store
from controller.results.provenance import now
from controller.sweep.runner import run_sweep

__all__ = ["CellOverhead"]

_MODEL = "mobilenet_v2"
_EXPERIMENT = """\
name: bench
models: [{model}]
bundles: {bundles}
networks_file: networks.yml
networks: [ideal]
splits: {splits}
depths: [1, 4]
trials: 1
requests: 12
warmup: 3
"""


class _Silent(Screen):
    """A screen without output: the benchmark shows its own progress."""

    def step(self, *_progress: object, **_more: object) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class CellOverhead:
    """A small sweep: median over the cells of wall time less the time waiting for requests."""

    splits: int = 4
    most_rounds: int | None = None
    keys: tuple[str, ...] = ("cell_overhead_s",)
    needs: tuple[str, ...] = (_MODEL,)

    def run(self, bench: Bench) -> Mapping[str, float]:
        """Use a new results file each round, or the sweep would be finished already."""
        bundle = bench.bundles[_MODEL]
        cuts = bundle.clean_cuts()
        spread = list(itertools.islice(cuts, len(cuts) // (2 * self.splits), None, len(cuts) // self.splits))
        with tempfile.TemporaryDirectory(prefix="edgecut-bench-") as name:
            folder = Path(name)
            (folder / "networks.yml").write_text("ideal: {}\n")
            (folder / "bench.yml").write_text(
                _EXPERIMENT.format(model=_MODEL, bundles=bundle.path.absolute().parent, splits=spread)
            )
            resolved = resolve(folder / "bench.yml", bench.fleet.lab())
            with (
                bench.fleet.lent(),
                Store.create(
                    folder / "results.sqlite", name="bench", text="", seed=0, trials=1, created_at=now()
                ) as store,
                _Silent() as screen,
            ):
                outcome = run_sweep(resolved, ["ideal"], store, screen)
                if outcome.interrupted:
                    # A sweep stops at Ctrl-C and returns; end the benchmark too.
                    raise KeyboardInterrupt
        return {"cell_overhead_s": statistics.median(outcome.overheads_s)}
