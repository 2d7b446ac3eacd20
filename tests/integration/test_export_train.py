"""From digits to weights to a bundle that knows how it was trained."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from exporter.bundle import Bundle, accuracy, run_chain
from exporter.cli import main
from exporter.models.checkpoint import read_weights


def _run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments])


def test_a_short_fit_learns_and_its_bundle_needs_no_flags(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, out = tmp_path / "w.pth", tmp_path / "b"
    size = ("--input-size", "32")
    command = [sys.executable, "-m", "exporter", "train", "shufflenet_v2_x0_5", *size, "--epochs", "2"]
    # A process of its own, in which PyTorch's threads do not spin: with other tests beside it that counts.
    done = subprocess.run(
        [*command, "--seed", "3", "--out", weights], capture_output=True, text=True, check=True
    )
    shown = done.stdout
    assert "epoch 2/2" in shown
    noted = read_weights(weights).trained_as
    assert noted is not None and noted.held_out_accuracy is not None
    assert noted.held_out_accuracy > 0.5
    assert f"held-out accuracy {noted.held_out_accuracy:.4f} on digits" in shown

    assert _run("export", "shufflenet_v2_x0_5", "--weights", weights, "--out", out, "--samples", "359") == 0
    bundle = Bundle.open(out)
    assert bundle.manifest.trained
    assert bundle.manifest.class_count == 10
    assert bundle.manifest.inputs[0].shape == ("batch", 3, 32, 32)
    assert "8x8 grey pixels" in bundle.manifest.preprocessing
    samples = bundle.samples()
    whole = accuracy(bundle, samples.answers, samples.labels)
    assert whole == pytest.approx(noted.held_out_accuracy, abs=1e-9)  # all held-out samples are in the bundle
    assert f"accuracy of the whole graph: {whole:.4f} (top1)" in capsys.readouterr().out
    middle = bundle.clean_cuts()[len(bundle.clean_cuts()) // 2]
    assert accuracy(bundle, run_chain(bundle, (middle,), samples.inputs, batch=64), samples.labels) == whole


def test_training_on_arrays_of_ones_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 80, (60, 32, 32, 3)).astype(np.uint8)
    images[np.arange(60), :, :, labels] += 150  # the class is the colour
    np.savez(tmp_path / "own.npz", inputs=images, labels=labels)
    own = ("--data", tmp_path / "own.npz", "--input-size", "32")
    assert _run("train", "squeezenet1_1", *own, "--epochs", "1", "--out", tmp_path / "w.pth") == 0
    assert (
        _run("export", "squeezenet1_1", "--weights", tmp_path / "w.pth", *own[:2], "--out", tmp_path / "b")
        == 0
    )
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.manifest.class_count == 3
    assert bundle.samples().count == 12


def test_labels_of_other_classes_than_the_models_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--dataset", "digits", "--num-classes", "7", "--input-size", "32", "--samples", "8")
    assert _run("export", "squeezenet1_1", *arguments, "--out", tmp_path / "b") == 0
    assert "accuracy of the whole graph: null" in capsys.readouterr().out
    bundle = Bundle.open(tmp_path / "b")
    assert bundle.samples().labels is None
    assert bundle.manifest.metric is None


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["resnet17", "--out", "w.pth"], 'did you mean "resnet18"'),
        (["resnet18", "--dataset", "digit", "--out", "w.pth"], 'did you mean "digits"'),
        (["resnet18", "--dataset", "random", "--out", "w.pth"], "no labels to learn"),
        (["resnet18", "--num-classes", "5", "--out", "w.pth"], "has label 9, but --num-classes is 5"),
        (["resnet18", "--out", "file/w.pth"], "file/w.pth: cannot be written"),
        (["resnet18", "--epochs", "0", "--out", "w.pth"], "--epochs"),
        (["resnet18"], "--out"),
    ],
)
def test_a_training_that_cannot_be_done_says_so_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    assert main(["train", *arguments]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert shown.startswith("error: ") and shown.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
