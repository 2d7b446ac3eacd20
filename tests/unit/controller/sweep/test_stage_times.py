"""Times alone: taken once in a block, again where they do not fit, and left out where that does not help."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from controller.errors import TrialVoid
from controller.pipeline.runner import PipelineRunner
from controller.results import Block, Cell, Store, TimeAlone, Trial
from controller.results.metrics import busy_share
from controller.sweep.environments import Environments
from controller.sweep.recorder import Recorder
from controller.sweep.stage_times import StageTimes
from tests.unit.analysis.synthetic import AT, BUNDLE, Physics, run_trial
from tests.unit.controller.sweep.device_infos import device_info

MANIFEST = '{"node_count": 60, "cut_points": []}'

CELL = Cell(
    model="m",
    bundle=BUNDLE,
    cuts=(30,),
    label="half",
    devices=("pi", "server"),
    network="lan",
    shaping="emulated",
)
PI_S, SERVER_S = 0.020, 0.002


class Pipeline:
    """Times stages as stated, the first ones first, and keeps what it was asked."""

    def __init__(self, *pi_s: float, pi_is_fixed: bool = False) -> None:
        self._pi_s = iter(pi_s)
        self._pi_is_fixed = pi_is_fixed
        self.asked: list[int] = []

    def has_fixed_time(self, position: int) -> bool:
        return self._pi_is_fixed and position == 0

    def time_alone(self, positions: Sequence[int]) -> dict[int, float]:
        self.asked += positions
        return {position: SERVER_S if position else next(self._pi_s) for position in positions}


class Lost(Pipeline):
    """The server is lost while its stage is timed, or it is timed again."""

    def time_alone(self, positions: Sequence[int]) -> dict[int, float]:
        if positions == [1] or self.asked:
            raise TrialVoid("server: lost; exited", "server")
        return super().time_alone(positions)


class Sweep:
    def __init__(self, folder: Path) -> None:
        self.store = Store.create(folder / "r.sqlite", name="t", text="t", seed=0, trials=1, created_at=AT)
        self.environments = Environments(
            self.store, "lab", list(map(device_info, ("pi", "server"))), (), None, {}
        )
        self.store.add_bundle(BUNDLE, "m", MANIFEST)
        for position, network in enumerate(("lan", "wan")):
            self.store.add_network(network, position, "emulated", {})
        self.store.add(*(Block(network, number, AT) for network in ("lan", "wan") for number in range(2)))
        recorder = Recorder(self.store, None, None, None, self.environments)  # type: ignore[arg-type]
        self._times = StageTimes(recorder)

    def complete(self, pipeline: Pipeline, *, cell: Cell = CELL, number: int = 0) -> list[float | None]:
        trial = run_trial(cell, number, 24, Physics(noise=0.0), np.random.default_rng(0))
        done, self.failure = self._times.complete(cell, blank(trial), cast(PipelineRunner, pipeline))
        self.missing = [hop.alone_missing for hop in done.hops]
        for position, hop in enumerate(done.hops):
            assert (busy_share(done, position) is None) == (hop.alone_s is None)
        return [hop.alone_s for hop in done.hops]

    def stored(self) -> list[tuple[int, str, float]]:
        return [(row.block, row.device, row.compute_s) for row in self.store.rows(TimeAlone)]


def blank(trial: Trial) -> Trial:
    return replace(trial, hops=tuple(replace(hop, alone_s=None) for hop in trial.hops))


@pytest.fixture
def sweep(tmp_path: Path) -> Sweep:
    return Sweep(tmp_path)


def test_a_stage_is_timed_once_in_a_block_for_all_its_cells(sweep: Sweep) -> None:
    pipeline = Pipeline(PI_S)
    assert sweep.complete(pipeline) == [PI_S, SERVER_S]
    assert sweep.complete(pipeline, cell=replace(CELL, depth=4)) == [PI_S, SERVER_S]
    assert pipeline.asked == [0, 1]
    assert sweep.stored() == [(0, "pi", PI_S), (0, "server", SERVER_S)]


def test_another_block_and_another_batch_are_timed_again(sweep: Sweep) -> None:
    pipeline = Pipeline(PI_S, 0.9 * PI_S, 0.5 * PI_S)
    sweep.complete(pipeline)
    assert sweep.complete(pipeline, number=1) == [0.9 * PI_S, SERVER_S]
    assert sweep.complete(pipeline, cell=replace(CELL, batch=2)) == [0.5 * PI_S, SERVER_S]
    assert pipeline.asked == [0, 1] * 3


@pytest.mark.parametrize("fixed", [False, True])
def test_a_stage_is_timed_again_once_its_device_has_changed(sweep: Sweep, fixed: bool) -> None:
    pipeline = Pipeline(PI_S, 0.5 * PI_S, pi_is_fixed=fixed)
    sweep.complete(pipeline)
    sweep.environments.note([device_info("pi", kernel="6.6"), device_info("server")])
    assert sweep.complete(pipeline) == [0.5 * PI_S, SERVER_S]
    assert pipeline.asked == [0, 1, 0], "the server is as before"
    assert sweep.stored() == [(0, "pi", PI_S), (0, "server", SERVER_S), (0, "pi", 0.5 * PI_S)]
    sweep.environments.note([device_info("pi"), device_info("server", frequency_mhz="600")])
    assert sweep.complete(pipeline) == [PI_S, SERVER_S], "what was taken holds again"


def test_a_stage_whose_time_the_sweep_fixes_is_timed_once_for_all_blocks(sweep: Sweep) -> None:
    pipeline = Pipeline(PI_S, 0.5 * PI_S, pi_is_fixed=True)
    sweep.complete(pipeline)
    assert sweep.complete(pipeline, number=1) == [PI_S, SERVER_S]
    assert sweep.complete(pipeline, number=1, cell=replace(CELL, network="wan")) == [PI_S, SERVER_S]
    assert sweep.complete(pipeline, number=1, cell=replace(CELL, batch=2)) == [0.5 * PI_S, SERVER_S]
    assert pipeline.asked == [0, 1, 1, 1, 0, 1]


def test_a_fixed_time_that_does_not_fit_is_taken_again_and_holds_from_then_on(sweep: Sweep) -> None:
    pipeline = Pipeline(1.1 * PI_S, PI_S, pi_is_fixed=True)
    assert sweep.complete(pipeline) == [1.1 * PI_S, SERVER_S]
    assert sweep.complete(pipeline, cell=replace(CELL, depth=4), number=1) == [PI_S, SERVER_S]
    assert sweep.complete(pipeline) == [PI_S, SERVER_S]
    assert pipeline.asked == [0, 1, 1, 0]


def test_a_time_that_does_not_fit_is_taken_again_and_replaced(sweep: Sweep) -> None:
    # At depth 4 the trial takes 20 ms a request, which is what the stage takes.
    pipeline = Pipeline(1.1 * PI_S, PI_S)
    assert sweep.complete(pipeline, cell=replace(CELL, depth=4)) == [PI_S, SERVER_S]
    assert pipeline.asked == [0, 1, 0]
    assert (0, "pi", PI_S) in sweep.stored()


def test_a_time_that_does_not_fit_again_leaves_busy_unknown(sweep: Sweep) -> None:
    pipeline = Pipeline(1.1 * PI_S, 1.05 * PI_S)
    assert sweep.complete(pipeline, cell=replace(CELL, depth=4)) == [None, SERVER_S]
    assert (sweep.failure, sweep.missing) == (None, [None, None])


def test_up_to_two_percent_too_long_fits(sweep: Sweep) -> None:
    pipeline = Pipeline(1.015 * PI_S)
    assert sweep.complete(pipeline, cell=replace(CELL, depth=4)) == [1.015 * PI_S, SERVER_S]


def test_a_device_lost_while_a_stage_is_timed_costs_that_time_alone_and_a_later_block_takes_it(
    sweep: Sweep,
) -> None:
    why = "server failed while stage 30-60 was timed: lost; exited"
    assert sweep.complete(Lost(PI_S)) == [PI_S, None]
    assert (sweep.failure, sweep.missing) == (why, [None, why])
    assert sweep.stored() == [(0, "pi", PI_S)]
    again = Pipeline(PI_S)
    assert sweep.complete(again) == [PI_S, SERVER_S]
    assert again.asked == [1]
    assert sweep.complete(again, number=1) == [PI_S, SERVER_S]
    assert (sweep.failure, sweep.missing) == (None, [None, None])


def test_a_device_lost_while_a_stage_is_timed_again_leaves_no_time_that_does_not_fit(sweep: Sweep) -> None:
    assert sweep.complete(Pipeline(1.1 * PI_S, 1.1 * PI_S), cell=replace(CELL, depth=4)) == [None, SERVER_S]
    lost = Lost()
    lost.asked.append(0)
    assert sweep.complete(lost, cell=replace(CELL, depth=4)) == [None, SERVER_S]
    assert sweep.missing == ["server failed while stage 0-30 was timed: lost; exited", None]
