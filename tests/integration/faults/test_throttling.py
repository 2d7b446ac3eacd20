"""Boards that slow themselves down: flagged, void, or cooled down first and tried again."""

import sys
import time
from pathlib import Path

import pytest

from controller.live.live_file import read_now
from controller.results import Results
from controller.results.check import run_check
from controller.sweep.throttling import throttled_in
from tests.integration.faults.lab import sweeping, write_experiment
from tests.integration.labs import LabWorker, write_lab
from tests.integration.waiting import wait_until

HOT = Path(__file__).with_name("hot_worker.py")


def tell(sys_folder: Path, *, temperature_c: float, flags: str) -> None:
    (sys_folder / "thermal_zone0").mkdir(parents=True, exist_ok=True)
    for path, text in (
        (sys_folder / "thermal_zone0" / "temp", f"{temperature_c * 1000:.0f}"),
        (sys_folder / "get_throttled", flags),
    ):
        partial = path.with_suffix(".partial")
        partial.write_text(text)
        partial.replace(path)


@pytest.fixture
def sys_folder(tmp_path: Path) -> Path:
    tell(tmp_path / "sys", temperature_c=50, flags="0")
    return tmp_path / "sys"


def one_device(folder: Path, sys_folder: Path) -> LabWorker:
    worker = LabWorker(folder, "pi", command=(sys.executable, str(HOT), str(sys_folder)))
    write_lab(folder, [worker])
    return worker


def test_a_warm_device_is_waited_for_and_a_throttled_trial_tried_again(
    bundles_folder: Path, tmp_path: Path, sys_folder: Path
) -> None:
    write_experiment(tmp_path, depths=[1], trials=2, splits=[], on_throttle="wait", cool_to_c=60)
    worker = one_device(tmp_path, sys_folder)
    tell(sys_folder, temperature_c=71.5, flags="0")
    try:
        with sweeping(tmp_path, bundles_folder) as sweep:
            sweep.line("pi: 71.5 °C, cool_to_c is 60; waiting for it to cool down")
            assert sweep.finished() == 0
            # Cool enough, but still slowed down.
            tell(sys_folder, temperature_c=55, flags="0xe0002")
            time.sleep(1.5)
            assert sweep.finished() == 0
            tell(sys_folder, temperature_c=55, flags="0xe0000")
            assert sweep.end() == 0, sweep.said
    finally:
        worker.kill()
    with Results.open(sweep.results) as results:
        assert len(results.finished()) == 2
        assert not results.voids()
    assert run_check(sweep.results)


def test_a_trial_that_was_throttled_is_tried_again_when_the_device_is_cool(
    bundles_folder: Path, tmp_path: Path, sys_folder: Path
) -> None:
    """Even where failures stop a sweep: nothing failed."""
    write_experiment(tmp_path, depths=[1], trials=1, splits=[], on_throttle="wait", duration_s=1.5)
    worker = one_device(tmp_path, sys_folder)
    try:
        with sweeping(tmp_path, bundles_folder) as sweep:
            # From here on the device may be warm: the trial takes 1.5 s.
            wait_until(lambda: (now := read_now(sweep.results)) is not None and now.cell is not None)
            tell(sys_folder, temperature_c=80, flags="0x4")
            sweep.line("void: ", "pi: throttled: flags 0x4", "trying again")
            sweep.line("pi: throttled now (flags 0x4); waiting for it to cool down")
            tell(sys_folder, temperature_c=50, flags="0x40000")
            assert sweep.end() == 0, sweep.said
    finally:
        worker.kill()
    with Results.open(sweep.results) as results:
        assert len(results.finished()) == 1
        assert len(results.voids()) == 1
    assert run_check(sweep.results)


@pytest.mark.parametrize(("how", "code", "trials"), [("flag", 0, 2), ("void", 2, 0)])
def test_a_throttled_trial_is_kept_or_void_as_told(
    bundles_folder: Path, tmp_path: Path, sys_folder: Path, how: str, code: int, trials: int
) -> None:
    write_experiment(tmp_path, depths=[1], trials=2, splits=[], on_throttle=how)
    worker = one_device(tmp_path, sys_folder)
    tell(sys_folder, temperature_c=85, flags="0x4")
    try:
        with sweeping(tmp_path, bundles_folder) as sweep:
            assert sweep.end() == code, sweep.said
    finally:
        worker.kill()
    assert any("pi: throttled: flags 0x4" in line for line in sweep.said)
    with Results.open(sweep.results) as results:
        assert len(results.finished()) == trials
    assert run_check(sweep.results)


def test_a_device_that_stays_warm_is_named(bundles_folder: Path, tmp_path: Path, sys_folder: Path) -> None:
    write_experiment(tmp_path, depths=[1], splits=[], cool_to_c=60, cool_wait_s=0)
    worker = one_device(tmp_path, sys_folder)
    tell(sys_folder, temperature_c=90, flags="0")
    try:
        with sweeping(tmp_path, bundles_folder) as sweep:
            assert sweep.end() == 2
    finally:
        worker.kill()
    assert "pi: throttled: 90.0 °C, cool_to_c is 60 after 0 s" in sweep.said[-1]


@pytest.mark.parametrize(
    ("flags", "seen"),
    [
        ([None, None], 0),
        ([0, 0, 0], 0),
        ([0xF, 0], 0),
        ([0, 0x4, 0], 0x4),
        ([0, 0, 0x40000], 0x40000),
        ([0x40000, 0x40000], 0),
        ([], 0),
    ],
)
def test_only_what_happened_during_a_trial_counts(flags: list[int | None], seen: int) -> None:
    assert throttled_in([{"throttled": flag} for flag in flags]) == seen
