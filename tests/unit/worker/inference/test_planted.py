"""Planted times: what each run takes, and what is refused."""

import math
from threading import Event
from typing import Any

import msgspec
import pytest

from tests.unit.worker.tiny import relu_graph
from worker.clock import clock, spin_until, stay_until
from worker.inference.planted import PlantedRuns
from worker.inference.slowdown import Slowdown
from worker.inference.stage import BoundStage, Stage
from worker.links.slots import Slot, SlotPool
from worker.wire.errors import RefusedError
from worker.wire.frames import LinkLayout
from worker.wire.messages import PlantedPhase, PlantedTime, TensorSpec


def taken_s(planted: PlantedTime, requests: int, *, period_s: float = 0.0) -> list[float]:
    """What the timed requests of a trial take, one begun every `period_s`."""
    runs = PlantedRuns(planted)
    return [runs.takes_s(i, 1000 + i * period_s, scheduled=True) for i in range(requests)]


def phase(unit: Any, start: float, stop: float, factor: float) -> PlantedPhase:
    return PlantedPhase(unit=unit, start=start, stop=stop, factor=factor)


def test_a_constant_time_is_the_same_for_every_request() -> None:
    assert taken_s(PlantedTime(seconds=0.02), 3) == [0.02] * 3


def test_modes_come_as_often_as_their_weights_say_and_repeat_with_the_seed() -> None:
    planted = PlantedTime(seconds=0.01, modes=((1.0, 3.0), (5.0, 1.0), (9.0, 0.0)), seed=4)
    taken = taken_s(planted, 4000)
    assert set(taken) == {0.01, 0.05}
    # Five standard deviations of a share of a quarter.
    assert taken.count(0.05) / 4000 == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 4000))
    assert taken == taken_s(planted, 4000)
    assert taken != taken_s(msgspec.structs.replace(planted, seed=5), 4000)


def test_every_nth_request_stalls() -> None:
    taken = taken_s(PlantedTime(seconds=0.01, stall_every=3, stall_s=0.1), 7)
    assert taken == pytest.approx([0.01, 0.01, 0.11, 0.01, 0.01, 0.11, 0.01])


def test_a_phase_covers_requests_by_number_or_seconds_of_the_trial() -> None:
    by_request = PlantedTime(seconds=0.01, phases=(phase("requests", 2, 4, 3),))
    assert taken_s(by_request, 5) == pytest.approx([0.01, 0.01, 0.03, 0.03, 0.01])
    by_time = PlantedTime(seconds=0.01, phases=(phase("seconds", 1, 2, 3), phase("seconds", 1.5, 9, 2)))
    assert taken_s(by_time, 5, period_s=0.5) == pytest.approx([0.01, 0.01, 0.03, 0.06, 0.02])


def test_a_schedule_begins_again_with_each_trial_and_leaves_out_the_warm_up() -> None:
    runs = PlantedRuns(PlantedTime(seconds=0.01, phases=(phase("seconds", 0, 1, 2),)))
    assert runs.takes_s(0, 500.0, scheduled=False) == 0.01
    assert runs.takes_s(0, 1000.0, scheduled=True) == 0.02
    assert runs.takes_s(1, 1001.0, scheduled=True) == 0.01
    assert runs.takes_s(0, 2000.0, scheduled=True) == 0.02


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (PlantedTime(seconds=-1), "seconds of -1; allowed: 0 to 60"),
        (PlantedTime(seconds=61), "seconds of 61; allowed: 0 to 60"),
        (PlantedTime(seconds=math.nan), "seconds of nan"),
        (PlantedTime(seconds=math.inf), "seconds of inf"),
        (PlantedTime(seconds=1, stall_every=-1), "stall_every of -1"),
        (PlantedTime(seconds=1, stall_every=1, stall_s=math.nan), "stall_s of nan"),
        (PlantedTime(seconds=1, modes=((1.0, -1.0),)), "a weight of -1"),
        (PlantedTime(seconds=1, modes=((1.0, math.nan),)), "a weight of nan"),
        (PlantedTime(seconds=1, modes=((1.0, 0.0),)), "no weight above 0"),
        (PlantedTime(seconds=1, modes=((-2.0, 1.0),)), "a factor of -2"),
        (PlantedTime(seconds=1, modes=((1.0, 1.0),) * 65), "at most 64 modes"),
        (PlantedTime(seconds=1, phases=(phase("seconds", 0, 1, 1),) * 65), "at most 64 modes and 64 phases"),
        (PlantedTime(seconds=1, phases=(phase("requests", 5, 2, 1),)), "a phase's stop of 2; allowed: 5 to"),
        (PlantedTime(seconds=1, phases=(phase("requests", 0, math.inf, 1),)), "a phase's stop of inf"),
        (PlantedTime(seconds=1, phases=(phase("requests", 0, 1, math.nan),)), "a factor of nan"),
        (PlantedTime(seconds=1, modes=((61.0, 1.0),)), "may take up to 61 s; allowed: at most 60 s"),
        (PlantedTime(seconds=20, phases=(phase("seconds", 0, 1, 2),) * 2), "may take up to 80 s"),
        (PlantedTime(seconds=40, stall_every=2, stall_s=30), "may take up to 70 s"),
    ],
)
def test_a_time_out_of_bounds_is_refused_in_one_line(planted: PlantedTime, said: str) -> None:
    with pytest.raises(RefusedError, match=said) as caught:
        PlantedRuns(planted)
    assert "\n" not in str(caught.value)


class StageOnAClock:
    """A bound stage whose waits only move its clock; `spun_s` adds up how long it spun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, planted: PlantedTime, slowdown: float = 1.0) -> None:
        self.now_s, self.spun_s = 1000.0, 0.0
        monkeypatch.setattr("worker.inference.stage.clock", lambda: self.now_s)
        monkeypatch.setattr("worker.inference.planted.stay_until", self._stay)
        monkeypatch.setattr("worker.inference.planted.spin_until", self._spin)
        layouts = [LinkLayout([TensorSpec(name=name, dtype="float32", shape=(1, 16))]) for name in "xy"]
        stage = Stage(relu_graph(), None, threads=1, label="shard 0-1")
        self.bound = BoundStage(stage, *layouts, slowdown=Slowdown(slowdown, Event(), planted))
        self._slots = [SlotPool(layout, 0).slots[0] for layout in layouts]

    def _stay(self, at_s: float, _ended: Event) -> None:
        self.now_s = max(self.now_s, at_s)

    def _spin(self, at_s: float, ended: Event) -> None:
        self.spun_s += max(0.0, at_s - self.now_s)
        self._stay(at_s, ended)

    @property
    def arrived(self) -> Slot:
        return self._slots[0]

    def run_s(self, request: int) -> float:
        began_s = self.now_s
        self.arrived.request = request
        self.bound.run(*self._slots)
        return self.now_s - began_s


def test_a_stage_takes_its_planted_time_and_a_slower_device_a_multiple(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = PlantedTime(seconds=0.02, stall_every=2, stall_s=0.01)
    assert [StageOnAClock(monkeypatch, planted).run_s(i) for i in (0, 1)] == pytest.approx([0.02, 0.03])
    slowed = StageOnAClock(monkeypatch, planted, slowdown=3.0)
    assert [slowed.run_s(i) for i in (0, 1)] == pytest.approx([0.06, 0.09])
    assert slowed.spun_s == 0


def test_a_spinning_stage_spins_as_long_as_at_full_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = StageOnAClock(monkeypatch, PlantedTime(seconds=0.02, how="spin"), slowdown=3.0)
    assert stage.run_s(0) == pytest.approx(0.06)
    assert stage.spun_s == pytest.approx(0.02)


def test_the_time_alone_is_the_mean_planted_time_without_phases_and_draws_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = PlantedTime(
        seconds=0.01,
        modes=((1.0, 3.0), (5.0, 1.0)),
        stall_every=4,
        stall_s=0.04,
        phases=(phase("requests", 0, 99, 5),),
    )
    stage = StageOnAClock(monkeypatch, planted, slowdown=2.0)
    assert stage.bound.time_alone([stage.arrived], lambda: False) == pytest.approx(2 * (0.02 + 0.01))
    assert stage.run_s(0) / 2 == pytest.approx(taken_s(planted, 1)[0])


def test_no_wait_outlasts_the_pipeline() -> None:
    ended = Event()
    ended.set()
    for wait in (spin_until, stay_until):
        wait(clock() + 1000, ended)


def test_no_wait_ends_early() -> None:
    for wait in (spin_until, stay_until):
        at_s = clock() + 0.002
        wait(at_s, Event())
        assert clock() >= at_s
