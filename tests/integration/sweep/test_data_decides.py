"""Models whose integer tensors decide what is computed: stages are timed on those that really cross."""

from pathlib import Path

import pytest

from controller.results import BaselineTrial, Results, TimeAlone
from tests.bundles import export_expanding, export_looping
from tests.integration.commands import sweep
from tests.integration.labs import write_experiment


@pytest.fixture(scope="module", name="bundles")
def fixture_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    export_expanding(folder)
    export_looping(folder)
    return folder


def test_a_stage_that_takes_a_shape_is_timed(lab: Path, bundles: Path, tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, models=["expanding"], splits=[2, 3], depths=[1, 2])
    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        assert results.voids() == []
        cuts = {cell.cuts for cell in results.cells()}
        assert cuts == {(0,), (2,), (3,), (5,)}
        stages = {(row.device, row.start, row.stop) for row in results.rows(TimeAlone)}
        assert {("server", 2, 5), ("server", 3, 5), ("pi", 0, 2), ("pi", 0, 3)} <= stages


def test_a_loop_takes_as_long_alone_as_its_trips_take(lab: Path, bundles: Path, tmp_path: Path) -> None:
    experiment = write_experiment(tmp_path, models=["looping"], splits=[4], requests=32)
    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        (trial,) = (trial for trial in results.trials() if cells[trial.cell].cuts == (4,))
        loop, rows = trial.hops[1], trial.records[1]
        (alone,) = (r for r in results.rows(TimeAlone) if (r.device, r.start) == ("server", 4))
        baselines = results.rows(BaselineTrial)
    # Without a trip it would take a fiftieth; its shortest run here has the fewest trips of all samples.
    assert alone.compute_s > 0.5 * rows["compute_s"].min()
    assert loop.alone_s in (alone.compute_s, None)
    assert all(min(b.compute_s) > 0.3 * rows["compute_s"].min() for b in baselines)
