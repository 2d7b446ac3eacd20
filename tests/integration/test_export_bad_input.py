"""Every bad input to the command line: one line on stderr, exit code 2, nothing left behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from exporter.cli import main
from exporter.export import ExportSettings, export
from exporter.models.build import build

_SMALL_MODELS = Path(__file__).parents[1] / "unit" / "exporter" / "small_models.py"

Refused = Callable[..., str]


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Return a function that runs a command, wants it refused, and gives the line."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        before = sorted(tmp_path.rglob("*"))
        assert main(arguments) == 2
        shown = capsys.readouterr().err
        assert shown.startswith("error: ") and shown.count("\n") == 1, shown
        assert sorted(tmp_path.rglob("*")) == before
        return shown

    return run


def test_unknown_names_suggest_the_nearest(refused: Refused) -> None:
    assert 'did you mean "efficientnet_b0"' in refused("export", "efficientnet_b1", "--out", "b")
    line = refused("export", "mobilenet_v2", "--dataset", "cifar", "--input-size", "32", "--out", "b")
    assert 'did you mean "cifar10"' in line
    assert 'did you mean "vgg16"' in refused("verify-models", "vgg19")
    assert "No such command" in refused("exprot")


def test_weights_that_do_not_fit_name_the_first_key(refused: Refused, tmp_path: Path) -> None:
    torch.save(build("squeezenet1_1", 10).state_dict(), tmp_path / "w.pth")
    line = refused("export", "squeezenet1_1", "--weights", "w.pth", "--num-classes", "7", "--out", "b")
    assert '"classifier.1.weight" is [10, 512, 1, 1] and the model has [7, 512, 1, 1]' in line
    line = refused("export", "alexnet", "--weights", "w.pth", "--num-classes", "10", "--out", "b")
    assert '"features.0.weight"' in line
    assert "no such weights file" in refused("export", "alexnet", "--weights", "x.pth", "--out", "b")


def test_a_pickled_module_is_refused(refused: Refused, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "whole.pth")
    line = refused("export", "resnet18", "--weights", "whole.pth", "--out", "b")
    assert "python -c" in line and "whole.state.pth" in line


def test_a_model_that_cannot_be_exported_names_the_operator(refused: Refused) -> None:
    assert "bessel_j0" in refused("export", f"{_SMALL_MODELS}:no_operator", "--out", "b")


def test_places_that_are_taken(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "file: is a file" in refused("export", f"{_SMALL_MODELS}:residual", "--out", "file")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").touch()
    line = refused("export", f"{_SMALL_MODELS}:residual", "--out", "folder", "--force")
    assert "holds other files" in line


def test_numbers_that_make_no_sense_name_their_option(refused: Refused) -> None:
    assert "--samples" in refused("export", "resnet18", "--samples", "1", "--out", "b")
    assert "--input-size" in refused("export", "resnet18", "--input-size", "-4", "--out", "b")
    assert "--num-classes" in refused("export", "resnet18", "--num-classes", "many", "--out", "b")
    assert "give 75 or more" in refused("export", "inception_v3", "--input-size", "64", "--out", "b")


@pytest.mark.parametrize("command", [["cuts"], ["verify"], ["split", "--at", "2", "--out", "parts"]])
def test_bundles_that_are_missing_or_altered(refused: Refused, tmp_path: Path, command: list[str]) -> None:
    assert "nowhere: not a bundle (no manifest.json)" in refused(*command, "nowhere")
    made = export(ExportSettings(f"{_SMALL_MODELS}:residual", tmp_path / "b"))
    assert "cut points 1 to 6" in refused("verify", "b", "--splits", "9")
    manifest = (made.path / "manifest.json").read_text()
    (made.path / "manifest.json").write_text(manifest.replace('"seed": 0', '"seed": 1'))
    assert "manifest.json: altered" in refused(*command, "b")
    (made.path / "manifest.json").write_text(manifest)
    if command != ["cuts"]:  # which reads the manifest alone
        with (made.path / "weights.bin").open("r+b") as file:
            file.write(b"\x00\x01")
        assert "weights.bin: altered: its digest does not match" in refused(*command, "b")
    shutil.rmtree(made.path)


def test_imagenet_weights_that_cannot_be_had_say_where_they_should_be(
    refused: Refused, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    (tmp_path / "torch" / "hub" / "checkpoints").mkdir(parents=True)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens on discard: no download
    line = refused("export", "squeezenet1_1", "--weights", "imagenet", "--out", "b")
    assert str(tmp_path / "torch" / "hub" / "checkpoints") in line
