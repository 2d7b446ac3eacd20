"""Baselines on a slower device, on a clock that only runs and sleeps move: cold runs do not count f times."""

from threading import Event
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from tests.unit.worker.tiny import TinyBundle, relu_graph, tensors
from worker.inference.stage import Stage
from worker.links.slots import Array
from worker.pipeline.loading import Loader
from worker.service.baseline import take_baseline
from worker.wire.errors import FailedError, RefusedError
from worker.wire.messages import Baseline, BaselineDone, ShardRef

WARM_S, COLD_S = 0.010, 0.025
"""What a run takes right after another one, and after a sleep in which the core has gone cold."""

SHARD = ShardRef(digest="0", bundle="1", start=0, stop=4)


class Device:
    """A worker's loader, its stage's session, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, bundle: TinyBundle) -> None:
        self.now_s, self.runs, self._cold = 1000.0, 0, False
        for module in ("clock", "inference.stage", "service.baseline"):
            monkeypatch.setattr(f"worker.{module}.clock", lambda: self.now_s)
        for module in ("clock", "inference.slowdown"):
            monkeypatch.setattr(f"worker.{module}.sleep_until", self._sleep_until)
        self._bundle = bundle

    def _sleep_until(self, at_s: float, _ended: Event) -> bool:
        self._cold = at_s > self.now_s
        self.now_s = max(self.now_s, at_s)
        return True

    def load(self, _shard: ShardRef, _threads: int) -> Stage:
        stage = Stage(relu_graph(), None, threads=1, label="the model")
        stage.session = self
        return stage

    def load_samples(self, _bundle: str) -> SimpleNamespace:
        return SimpleNamespace(inputs={"x": self._bundle.inputs})

    def run(self, _outputs: list[str], inputs: dict[str, Array]) -> list[Array]:
        self.run_with_iobinding(None)
        return list(inputs.values())

    def io_binding(self) -> Any:
        return Mock()

    def run_with_iobinding(self, _binding: object) -> None:
        self.now_s += COLD_S if self._cold else WARM_S
        self._cold = False
        self.runs += 1

    def take(self, slowdown: float, **request: object) -> BaselineDone:
        baseline = Baseline(shard=SHARD, inputs=tensors(0, 1), requests=8, **request)  # type: ignore[arg-type]
        return take_baseline(baseline, cast(Loader, self), slowdown, Event(), lambda: False)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch, tiny_bundle: TinyBundle) -> Device:
    return Device(monkeypatch, tiny_bundle)


def test_each_run_takes_the_slowdowns_multiple_of_the_models_time_at_full_speed(device: Device) -> None:
    done = device.take(18.0)
    assert done.full_speed_s == pytest.approx(WARM_S)
    assert done.compute_s == pytest.approx((18 * WARM_S,) * 8)


def test_the_time_at_full_speed_is_measured_once(device: Device) -> None:
    done = device.take(18.0, full_speed_s=0.030)
    assert done.full_speed_s is None
    assert done.compute_s == pytest.approx((18 * 0.030,) * 8)
    assert device.runs == 3 + 8


def test_where_the_time_varies_with_the_data_each_runs_own_is_multiplied(device: Device) -> None:
    done = device.take(18.0, varies=True)
    assert done.full_speed_s is None
    assert done.compute_s == pytest.approx((18 * COLD_S,) * 8)


def test_a_device_at_full_speed_is_not_slowed_down(device: Device) -> None:
    for request in ({}, {"full_speed_s": 1.0}):
        done = device.take(1.0, **request)
        assert done.full_speed_s is None
        assert done.compute_s == pytest.approx((WARM_S,) * 8)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_no_run_takes_such_a_time(device: Device, seconds: float) -> None:
    with pytest.raises(RefusedError, match=f"cannot take {seconds} s at full speed"):
        device.take(18.0, full_speed_s=seconds)


@pytest.mark.parametrize("session_ended", [True, False])
def test_it_ends_with_its_session_and_its_controller(device: Device, session_ended: bool) -> None:
    ended = Event()
    if session_ended:
        ended.set()
    baseline = Baseline(shard=SHARD, inputs=tensors(0, 1))
    with pytest.raises(FailedError, match="the controller went away"):
        take_baseline(baseline, cast(Loader, device), 18.0, ended, lambda: not session_ended)
