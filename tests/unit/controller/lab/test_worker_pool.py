"""Workers that come back are compared with those that were claimed first."""

from types import SimpleNamespace
from typing import Any

import pytest

from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.lab.worker_pool import WorkerPool

FIRST: dict[str, Any] = {"kind": "real", "slowdown": 1.0}
STAMP: dict[str, Any] = {"threads": 2, "provider": "cpu", "onnxruntime_options": "", "kernel": "6.1"}
WAS = "at the start it was real, slowdown 1, threads 2, provider cpu, but now it is "


def pool_of(lab: Lab, monkeypatch: pytest.MonkeyPatch, infos: list[SimpleNamespace]) -> WorkerPool:
    """A pool whose only device describes itself as these say, claim by claim."""

    def claim(device: Any, *_: Any, **__: Any) -> SimpleNamespace:
        return SimpleNamespace(name=device.name, info=infos.pop(0), close=lambda: None)

    monkeypatch.setattr(ClaimedWorker, "claim", claim)
    return WorkerPool(lab, ["pi"], 0.0)


def info(stamp: dict[str, Any] | None = None, **changed: Any) -> SimpleNamespace:
    return SimpleNamespace(name="pi", stamp=STAMP | (stamp or {}), **FIRST | changed)


@pytest.mark.parametrize(
    ("then", "is_now"),
    [
        (info(kind="virtual"), "virtual, slowdown 1, threads 2, provider cpu"),
        (info(slowdown=50.0), "real, slowdown 50, threads 2, provider cpu"),
        (info({"threads": 4}), "real, slowdown 1, threads 4, provider cpu"),
        (info({"provider": "cuda"}), "real, slowdown 1, threads 2, provider cuda"),
        (
            info({"onnxruntime_options": "a=1"}),
            "real, slowdown 1, threads 2, provider cpu, ONNX Runtime options a=1",
        ),
    ],
)
def test_what_must_stay_is_refused_when_it_has_changed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, then: SimpleNamespace, is_now: str
) -> None:
    with pool_of(lab, monkeypatch, [info(), then, info()]) as pool:
        (error,) = pool.recover()
        assert error.lasting
        assert str(error) == f"pi: {WAS}{is_now}; set it back, or run the command again"
        assert not pool.workers


def test_what_may_change_is_accepted(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with pool_of(lab, monkeypatch, [info(), info({"kernel": "6.2"})]) as pool:
        assert pool.recover() == []
        assert [one.stamp["kernel"] for one in pool.infos] == ["6.2"]
