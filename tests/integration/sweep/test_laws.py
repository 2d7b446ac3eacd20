"""A trial that breaks a law is void and run again at the end of its block, and the sweep goes on."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.report.concerns import concerns
from controller.console import Screen
from controller.experiment.resolve import resolve
from controller.lab.inventory import load_lab
from controller.pipeline.runner import PipelineRunner
from controller.results import Block, Cell, Results, Store, Trial
from controller.results.provenance import now
from controller.sweep.outcome import Outcome
from controller.sweep.runner import run_sweep
from tests.integration.labs import add, write_experiment
from worker.wire.messages import Run


class Told(Screen):
    """Keeps what the sweep says."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def swept(folder: Path, lab: Path, bundles: Path) -> tuple[Outcome, list[str]]:
    """Sweep both ends and a cut in two blocks, within this process."""
    experiment = write_experiment(folder, splits=[2], trials=2)
    add(experiment, bundles=str(bundles), on_failure="stop")
    resolved = resolve(experiment, load_lab(lab))
    with (
        Store.create(
            folder / "results.sqlite", name="t", text=resolved.text, seed=0, trials=2, created_at=now()
        ) as store,
        Told() as screen,
    ):
        return run_sweep(resolved, ["ideal"], store, screen), screen.lines


class Breaker:
    """Stretches the elapsed time of the first trials of one cut, which then break Little's law."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tries: int) -> None:
        self.order: list[tuple[int, ...]] = []
        self._left = tries
        self._run = PipelineRunner.run
        breaker = self

        def run(runner: PipelineRunner, number: int, request: Run, *, warmup: int = 0) -> Trial:
            trial = breaker._run(runner, number, request, warmup=warmup)
            return breaker.changed(runner.cell, trial)

        monkeypatch.setattr(PipelineRunner, "run", run)

    def changed(self, cell: Cell, trial: Trial) -> Trial:
        self.order.append(cell.cuts)
        if cell.cuts != (2,) or not self._left:
            return trial
        self._left -= 1
        return replace(trial, elapsed_s=trial.elapsed_s * 20)


def test_it_is_void_with_the_law_named_and_run_again_after_all_others(
    lab: Path, bundles_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    breaker = Breaker(monkeypatch, tries=2)
    outcome, told = swept(tmp_path, lab, bundles_folder)
    assert outcome.left == 0
    # The first block: three cells, then two retries.
    assert breaker.order[3:5] == [(2,), (2,)]
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        voids = [
            (cells[cell].cuts, number, reason, device) for cell, number, reason, device, _ in results.voids()
        ]
        done = Counter(cells[trial.cell].cuts for trial in results.trials())
        assert all(block.whole for block in results.rows(Block))
    assert [(cuts, number, device) for cuts, number, _, device in voids] == [((2,), 0, None)] * 2
    assert all(reason.startswith("law broken: Little's law: ") for _, _, reason, _ in voids)
    assert done == {(0,): 2, (2,): 2, (4,): 2}
    assert sum("trying again at the end of the block" in line for line in told) == 2


def test_after_three_retries_the_cell_is_flagged_in_that_block_and_the_sweep_goes_on(
    lab: Path, bundles_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Breaker(monkeypatch, tries=4)
    outcome, told = swept(tmp_path, lab, bundles_folder)
    # A later block makes up for it.
    assert outcome.left == 0
    with Results.open(tmp_path / "results.sqlite") as results:
        numbers = {cell.cuts: [t.number for t in results.trials(cell.id)] for cell in results.cells()}
    assert numbers[2,] == [1, 2]
    assert numbers[0,] == numbers[4,] == [0, 1, 2]
    assert sum("flagged in this block; continuing" in line for line in told) == 1
    (flagged,) = (c for c in concerns(load(tmp_path / "results.sqlite")) if "law" in c.text)
    assert "1 cell has no trial in 1 block" in flagged.text
