"""How long cells will take: good enough to show, whatever is missing."""

import pytest

from controller.experiment.networks import Network
from controller.lab.inventory import Lab
from controller.results import Cell
from controller.sweep.eta import request_s
from exporter.bundle import Bundle


def _seconds(lab: Lab, bundle: Bundle, whole_model_s: dict[str, float]) -> tuple[float, float]:
    cell = Cell(
        model="tiny",
        bundle=bundle.digest,
        cuts=(2,),
        label="",
        devices=("pi", "server"),
        depth=1,
        batch=1,
        network="lan",
        shaping="emulated",
    )
    known = {(bundle.digest, device): seconds for device, seconds in whole_model_s.items()}
    return request_s(cell, bundle, lab, Network(), known)


def test_a_device_without_a_baseline_counts_as_the_slowest(lab: Lab, tiny: Bundle) -> None:
    found = _seconds(lab, tiny, {"pi": 0.4, "desk": 0.1})

    assert found == _seconds(lab, tiny, {"pi": 0.4, "desk": 0.1, "server": 0.4})
    assert found[0] == pytest.approx(0.4)


def test_a_model_that_no_device_could_run_whole_takes_some_time(lab: Lab, tiny: Bundle) -> None:
    assert min(_seconds(lab, tiny, {})) > 0
