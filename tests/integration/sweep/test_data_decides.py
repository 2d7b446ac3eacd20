"""Models whose shapes or integers decide what is computed: stages are timed on what really crosses."""

from pathlib import Path

import pytest

from controller.results import BaselineTrial, Results, TimeAlone
from exporter.bundle import Bundle
from tests.bundles import export_expanding, export_looping
from tests.integration.commands import sweep
from tests.integration.labs import write_experiment


@pytest.fixture(scope="module", name="bundles")
def fixture_bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    export_expanding(folder)
    export_looping(folder)
    return folder


def test_a_stage_that_needs_a_shape_makes_it_of_what_crosses(
    lab: Path, bundles: Path, tmp_path: Path
) -> None:
    experiment = write_experiment(tmp_path, models=["expanding"], splits=[2, 3], depths=[1, 2])
    done = sweep(experiment, lab, bundles)
    assert done.returncode == 0, done.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        assert results.voids() == []
        cuts = {cell.cuts for cell in results.cells()}
        assert cuts == {(0,), (2,), (3,), (4,)}
        stages = {(row.device, row.start, row.stop) for row in results.rows(TimeAlone)}
        assert {("server", 2, 4), ("server", 3, 4), ("pi", 0, 2), ("pi", 0, 3)} <= stages
    crossing = [tensor for cut in (1, 2, 3) for tensor in Bundle.open(bundles / "expanding").tensors_at(cut)]
    assert {tensor.dtype for tensor in crossing} == {"float32"}


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
