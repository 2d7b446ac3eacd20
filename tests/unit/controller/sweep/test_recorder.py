"""Recording a sweep: results file, pending work, outcome and screen go together."""

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from controller.console import Screen
from controller.errors import TrialVoid
from controller.experiment.resolve import ResolvedExperiment
from controller.results import Accuracy, BaselineTrial, Cell, Results, Scope, Store, Trial, TrialsWanted
from controller.sweep.environments import Environments
from controller.sweep.outcome import Outcome
from controller.sweep.recorder import Recorder
from controller.sweep.todo import PendingWork
from tests.unit.analysis.synthetic import AT, BUNDLE, Physics, run_trial, write_sweep
from tests.unit.controller.sweep.device_infos import device_info

MANIFEST = '{"node_count": 60, "cut_points": []}'

SAMPLES = 128


class Recorded(Screen):
    """Keeps what a screen is told."""

    def __init__(self) -> None:
        self.finished_trials: list[tuple[Cell, int]] = []
        self.lines: list[str] = []

    def finished(self, cell: Cell, trial: Trial) -> None:
        self.finished_trials.append((cell, trial.number))

    def say(self, text: str) -> None:
        self.lines.append(text)


class Sweep:
    """A recorder with two trials of two cells, and all that it keeps in step."""

    def __init__(self, folder: Path) -> None:
        with Results.open(write_sweep(folder / "other.sqlite", cuts=(24,))) as other:
            self.cells = [cell for cell in other.cells() if cell.network == "lan"]
        self.store = Store.create(folder / "r.sqlite", name="t", text="t", seed=0, trials=2, created_at=AT)
        self.environments = Environments(
            self.store, "lab", list(map(device_info, ("pi", "server"))), (), None, {}
        )
        self.store.add_bundle(BUNDLE, "mobilenet_v2", MANIFEST)
        self.store.add_network("lan", 0, "emulated", {})
        self.store.add(*self.cells)
        self.pending = PendingWork(_resolved(), self.store)
        self.screen = Recorded()
        self.outcome = Outcome()
        self.environment = self.environments.number
        self.recorder = Recorder(
            self.store,
            self.pending,
            self.screen,
            self.outcome,
            self.environments,
        )


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def test_a_finished_trial_is_committed_with_its_environment_and_no_longer_pending(sweep: Sweep) -> None:
    cell = sweep.cells[0]
    sweep.recorder.add_trial(cell, run_trial(cell, 1, 11, Physics(), np.random.default_rng(0)))
    (trial,) = sweep.store.trials()
    assert (trial.cell, trial.number, trial.environment) == (cell.id, 1, sweep.environment)
    assert sweep.pending.missing(cell) == 1
    assert (sweep.pending.has(cell, 0), sweep.pending.has(cell, 1)) == (False, True)
    assert sweep.outcome.done == 1
    assert sweep.screen.finished_trials == [(cell, 1)]


def test_a_void_trial_is_committed_and_stays_pending(sweep: Sweep) -> None:
    cell = sweep.cells[0]
    sweep.recorder.add_void(cell, 0, AT, TrialVoid("pi: lost", "pi"))
    assert sweep.store.voids() == [(cell.id, 0, "pi: lost", "pi", AT)]
    assert sweep.pending.missing(cell) == 2
    assert sweep.outcome.done == 0


def test_a_baseline_is_no_longer_pending(sweep: Sweep) -> None:
    on_pi, on_server = sweep.pending.baselines(sweep.cells)
    assert [(b.network, b.device, b.threads) for b in (on_pi, on_server)] == [
        ("lan", "pi", None),
        ("lan", "server", None),
    ]
    sweep.recorder.add(BaselineTrial("mobilenet_v2", "lan", BUNDLE, "pi", 1, 0, 4, AT, (0.1,)))
    for pending in (sweep.pending, PendingWork(_resolved(), sweep.store)):
        assert (pending.missing(on_pi), pending.missing(on_server)) == (1, 2)
        assert (pending.has(on_pi, 0), pending.has(on_pi, 1)) == (True, False)


def test_an_accuracy_over_other_samples_is_pending(sweep: Sweep) -> None:
    """A sweep whose second model was exported again, with fewer samples."""
    cell = sweep.cells[0]
    of_cell = partial(Accuracy, cell.bundle, cell.cuts, whole=0.9, chain=0.9, worst_error=0.0)
    sweep.recorder.add(of_cell(samples=SAMPLES + 1))
    assert cell.cuts in sweep.pending.splits([cell])[cell.bundle]
    sweep.recorder.add(of_cell(samples=SAMPLES))
    assert not sweep.pending.splits([cell])
    assert [a.samples for a in sweep.store.rows(Accuracy) if a.cuts == cell.cuts] == [SAMPLES]


def test_what_was_chosen_of_a_network_is_committed_and_said(sweep: Sweep) -> None:
    sweep.recorder.set_scope(Scope("lan", "planned", 7, "front stands"))
    assert sweep.store.rows(Scope)[0].ended == "front stands"
    assert sweep.screen.lines == [f"lan: {len(sweep.cells)} of 7 cells chosen; front stands"]


def _resolved() -> ResolvedExperiment:
    experiment = SimpleNamespace(trials_wanted=TrialsWanted(2, 2))
    return cast(ResolvedExperiment, SimpleNamespace(experiment=experiment, samples=SAMPLES))
