"""A sweep over codecs with real workers: run, kept, checked, and refused where a device lacks one."""

from pathlib import Path

import pytest

from controller.results import Accuracy, CodecAccuracy, Results
from tests.integration.commands import controller, sweep
from tests.integration.labs import tiny_lab, write_experiment


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_experiment(
        tmp_path,
        splits=[1, 3],
        depths=[1, 4],
        samples=4,
        batches=[2],
        codecs=["none", "fp16", "uint8+zstd", "lz4", {"forward": "zfp:0.05"}],
    )


def test_a_sweep_over_codecs_keeps_what_they_cost_and_what_they_change(
    lab: Path, experiment: Path, bundles_folder: Path
) -> None:
    ended = sweep(experiment, lab, bundles_folder)

    assert ended.returncode == 0, ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        cells = {cell.id: cell for cell in results.cells()}
        trials = list(results.trials())
        accuracies = {(found.cuts, found.codec): found for found in results.rows(CodecAccuracy)}
        plain = results.rows(Accuracy)
    assert {found.samples for found in plain} == {found.samples for found in accuracies.values()} == {4}
    choices = {"none", "fp16", "uint8+zstd:1", "lz4", "forward: zfp:0.05"}
    assert {cell.codec for cell in cells.values()} == choices
    assert len(trials) == len(cells) == 2 * (3 * len(choices) + 1)
    assert set(accuracies) == {(cut, codec) for cut in ((0,), (1,), (3,)) for codec in choices - {"none"}}
    for trial in trials:
        cell = cells[trial.cell]
        for link in trial.links:
            if link.codec == "none":
                assert link.encoded_bytes is None
            else:
                assert 0 < (link.encoded_bytes or 0) <= link.payload_bytes
                assert link.sender != link.receiver
        if cell.codec == "fp16":
            assert [link.encoded_bytes for link in trial.links if link.codec == "fp16"] == [32.0, 32.0]
        if cell.codec != "none":
            # What the workers gave is what the controller had foreseen.
            foreseen = accuracies[cell.cuts, cell.codec].worst_error
            assert trial.worst_error <= max(1e-4, 2 * foreseen)
    assert all(a.tensor_error == 0 for (_, codec), a in accuracies.items() if codec == "lz4")
    assert all(1e-6 < a.tensor_error < 1e-3 for (_, codec), a in accuracies.items() if codec == "fp16")
    assert {a.batch for a in accuracies.values()} == {2}

    again = sweep(experiment, lab, bundles_folder)
    assert "nothing to do: all trials are done" in again.stdout + again.stderr


def test_one_cell_with_a_codec_says_what_it_saves_and_costs(
    lab: Path, experiment: Path, bundles_folder: Path
) -> None:
    run = [*("run", bundles_folder / "tiny", "--at", 2, "--lab", lab, "--network", "ideal")]
    run += ["--networks", experiment.parent / "networks.yml", "--codec"]
    for source in ("first", "controller"):
        ended = controller(*run, "fp16", "--source", source)
        assert ended.returncode == 0, ended.stderr
        assert "pi -> server: 16 bytes a request, 32 before codec fp16 (2.00 to 1)" in ended.stdout
        assert "codecs: fp16; worst tensor error" in ended.stdout
        assert "24 of 24 results checked" in ended.stdout
    ended = controller(*run, "zfp:x")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "error: --codec: codec 'zfp:x': the tolerance is not a number" in ended.stderr


def test_a_device_that_lacks_a_codec_is_named_before_anything_runs(
    experiment: Path, bundles_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = tmp_path / "without"
    without.mkdir()
    (without / "sitecustomize.py").write_text("import sys\nsys.modules['cramjam'] = None\n")
    monkeypatch.setenv("PYTHONPATH", str(without))
    with tiny_lab(tmp_path) as lab:
        ended = sweep(experiment, lab, bundles_folder)
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert "error: pi: lacks codec uint8+zstd, which needs the package cramjam there" in ended.stderr
    with Results.open(experiment.parent / "results.sqlite") as results:
        assert not results.finished()


def test_a_dry_run_says_which_codecs(lab: Path, experiment: Path, bundles_folder: Path) -> None:
    ended = sweep(experiment, lab, bundles_folder, "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "payload before codecs" in ended.stdout
    assert "codecs: forward: zfp:0.05, fp16, lz4, none, uint8+zstd:1" in ended.stdout


def test_codecs_are_compared_on_one_cut_without_workers(bundles_folder: Path) -> None:
    ended = controller("codecs", bundles_folder / "tiny", "--at", "block.0", "--samples", 4)
    assert ended.returncode == 0, ended.stderr
    rows = {words[0]: words for line in ended.stdout.splitlines() if (words := line.split())}
    assert rows["none"][1:3] == ["32", "1.00"]
    assert rows["fp16"][1:3] == ["16", "2.00"]
    wrong = controller("codecs", bundles_folder / "tiny", "--at", "block.0", "--codec", "uint8,zfp:x")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "--codec: codec 'zfp:x': the tolerance is not a number" in wrong.stderr
