"""The time line of a pipeline's stages."""

from pathlib import Path

import numpy as np
import pytest

from analysis.data.sweep import Sweep
from analysis.data.timeline import Timelines, bars_of
from controller.errors import StoreError
from tests.unit.analysis.synthetic import Physics, run_trial


def test_a_row_of_the_time_line_keeps_its_own_clock(sweep: Sweep) -> None:
    """The second device's clock is an hour ahead; only what lies between its own moments shows."""
    result = next(r for r in sweep.cells if len(r.trials[0].hops) == 2 and r.cell.depth == 4)
    trial = run_trial(result.cell, 0, 24, Physics(noise=0.0), np.random.default_rng(0))
    for hop, (offset_s, step_s) in enumerate(((0.0, 0.05), (3600.0, 0.05))):
        trial.records[hop]["compute_at_s"] = offset_s + step_s * np.arange(24)
        trial.records[hop]["compute_s"] = 0.02
    bars = bars_of(trial, ["pi", "server"])
    first = {b.request: b for b in bars if b.stage == "pi"}
    second = {b.request: b for b in bars if b.stage == "server"}
    assert len(first) == len(second) == 12
    for request, bar in second.items():
        assert bar.start_s == pytest.approx(first[request].stop_s), "the fastest message takes no time"
        assert bar.stop_s - bar.start_s == pytest.approx(0.02)


def test_whether_a_cell_has_bars_is_known_without_reading_its_trial(tmp_path: Path) -> None:
    timelines = Timelines(tmp_path / "gone.sqlite", {"cell": 1})
    assert "cell" in timelines
    assert "other" not in timelines
    with pytest.raises(StoreError):
        timelines["cell"]
