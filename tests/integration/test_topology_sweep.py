"""Chain against hub with real workers: run, checked, kept; and a file from before there were hubs."""

import csv
import time
from pathlib import Path

import pytest

from controller.results import CodecAccuracy, Results
from tests.integration.commands import analysis, controller, start, sweep
from tests.integration.labs import LabWorker, write_experiment, write_lab


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(
        tmp_path,
        "ideal: {delay_ms: 2}\n",
        splits=[[1, 3]],
        placements=[["pi", "desk", "server"]],
        depths=[1, 4],
        topologies=["chain", "hub"],
        codecs=["none", {"forward": "fp16"}],
    )


def test_a_hub_is_a_dimension_of_sweeps(
    experiment: Path, lab_of_three: Path, bundles_folder: Path, tmp_path: Path
) -> None:
    ended = sweep(experiment, lab_of_three, bundles_folder)
    assert ended.returncode == 0, ended.stderr
    again = sweep(experiment, lab_of_three, bundles_folder)
    assert "nothing to do: all trials are done" in again.stdout + again.stderr
    with Results.open(tmp_path / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        trials = list(results.trials())
        assert {found.codec for found in results.rows(CodecAccuracy)} == {"forward: fp16"}
    # All on the first device is a chain, whatever was asked, and so is not there twice.
    counted = [(c.cuts, c.codec) for c in cells.values() if c.topology == "chain" and c.depth == 1]
    assert sorted(counted) == sorted(
        [((1, 3), "none"), ((1, 3), "forward: fp16"), ((0, 0), "none"), ((0, 0), "forward: fp16")]
        + [((4, 4), "none")]
    )
    assert {c.cuts for c in cells.values() if c.topology == "hub"} == {(1, 3), (0, 0)}
    for trial in trials:
        cell = cells[trial.cell]
        assert trial.checked == 11 + -11 % cell.depth
        # Devices and the controller account for what they send; nothing does within a device.
        assert all((link.use is None) == (link.sender == link.receiver) for link in trial.links)
        through = [link for link in trial.links if "controller" in (link.sender, link.receiver)]
        assert len(through) == (0 if cell.topology == "chain" else 4 if cell.cuts == (0, 0) else 6)
        for arriving, leaving in zip(through[::2], through[1::2], strict=True):
            assert (arriving.receiver, leaving.sender) == ("controller", "controller")
            assert arriving.encoded_bytes == leaving.encoded_bytes
            assert (arriving.encoded_bytes is None) == (arriving.codec == "none")

    made = analysis("export", tmp_path / "results.sqlite", "--out", tmp_path)
    assert made.returncode == 0, made.stderr
    with (tmp_path / "pipeline_metrics.csv").open() as file:
        splits = {row["split"] for row in csv.DictReader(file) if row["topology"] == "hub"}
    assert "raw input to server, hub" in splits
    assert "raw input to server, forward: fp16, hub" in splits


def test_one_cell_through_the_controller(lab: Path, bundles_folder: Path) -> None:
    run = ["run", bundles_folder / "tiny", "--lab", lab, "--network", "as_is", "--at", 2]
    for source in ("first", "controller"):
        ended = controller(*run, "--topology", "hub", "--depth", 3, "--source", source, "--codec", "fp16")
        assert ended.returncode == 0, ended.stderr
        assert "pi -> controller -> server" in ended.stdout
        assert "controller -> server: 16 bytes a request, 32 before codec fp16" in ended.stdout
        assert "30 of 30 results checked" in ended.stdout
    wrong = controller(*run, "--topology", "ring")
    told = "error: --topology: invalid enum value 'ring'; allowed: chain, hub\n"
    assert (wrong.returncode, wrong.stderr) == (2, told)


@pytest.mark.parametrize("victim", ["pi", "server"])
def test_a_device_lost_in_a_hub_is_named(
    workers: dict[str, LabWorker], bundles_folder: Path, tmp_path: Path, victim: str
) -> None:
    lab = write_lab(tmp_path, workers.values())
    run = ["run", bundles_folder / "tiny", "--lab", lab, "--network", "as_is", "--at", 2]
    with start(*run, "--topology", "hub", "--requests", 5_000_000) as running:
        while "from controller" not in workers["server"].log.read_text():
            assert running.poll() is None
            time.sleep(0.05)
        time.sleep(0.5)
        workers[victim].kill()
        _, said = running.communicate(timeout=60)
    assert (running.returncode, said.count("\n")) == (2, 1)
    assert said.startswith(f"error: {victim}: lost during a trial; ")
