"""``--weights imagenet`` takes what lies in torchvision's cache, without a download."""

from pathlib import Path

import pytest
import torch

from exporter.bundle import Bundle
from exporter.cli import main
from exporter.models.build import build


def test_weights_from_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # As torchvision would have left it, under the name that it looks for; the numbers in it are ours.
    cache = tmp_path / "torch" / "hub" / "checkpoints"
    cache.mkdir(parents=True)
    module = build("squeezenet1_1", 1000)
    torch.save(module.state_dict(), cache / "squeezenet1_1-b8a52dc0.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    out = tmp_path / "b"
    arguments = ["export", "squeezenet1_1", "--weights", "imagenet", "--input-size", "64", "--samples", "8"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "accuracy of the whole graph: null" in capsys.readouterr().out  # random inputs have no labels
    bundle = Bundle.open(out)
    assert bundle.manifest.trained
    assert bundle.manifest.made.weights == "torchvision IMAGENET1K_V1"
    assert bundle.manifest.class_count == 1000
    with torch.no_grad():
        expected = module.eval()(torch.from_numpy(bundle.samples().inputs["x"]))
    torch.testing.assert_close(
        torch.from_numpy(bundle.samples().answers["output"]), expected, rtol=1e-4, atol=1e-4
    )
