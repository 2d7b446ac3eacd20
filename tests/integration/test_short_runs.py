"""Cells run one after another on real workers, as profiles and benches run them."""

from pathlib import Path

from controller.experiment.networks import Network
from controller.lab.inventory import load_lab
from controller.lab.worker_pool import WorkerPool
from controller.profiling.short_runs import ProfilingContext, ShortRun, rounds
from exporter.bundle import Bundle


def test_a_stage_is_loaded_once_for_all_cells_that_have_it(lab: Path, tiny: Bundle) -> None:
    short_runs = [
        ShortRun(devices, cut, depth=depth, requests=4, warmup=1, conditions=Network(delay_ms=1))
        for cut in (1, 2)
        for devices in (("pi", "server"), ("server", "server"))
        for depth in (1, 2)
    ]
    loaded = load_lab(lab)
    with WorkerPool(loaded, ["pi", "server"], 5.0) as pool:
        context = ProfilingContext(loaded, tiny, pool.workers, batch=1, threads=1)
        steps: list[tuple[int, int]] = []
        found = rounds(context, short_runs, 2, "seed", lambda *step: steps.append(step))

    assert steps == [(done, 16) for done in range(1, 17)]
    for short_run, trials in found.items():
        for trial in trials:
            assert [hop.device for hop in trial.hops] == list(short_run.devices)
            assert [(hop.start, hop.stop) for hop in trial.hops] == [(0, short_run.cut), (short_run.cut, 4)]
            assert len(trial.endpoint) == 4
    # In each round, whatever the depth; the next round has to load it again.
    for cut in (1, 2):
        alone, deep = (
            [tuple(hop.load_s for hop in trial.hops) for trial in found[short_run]]
            for short_run in short_runs
            if short_run.cut == cut and short_run.devices == ("pi", "server")
        )
        assert alone == deep
        assert alone[0] != alone[1]
