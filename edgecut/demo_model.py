"""The demo's model, trained on handwritten digits and exported: in one process, which imports torch once."""

import os
import sys
from pathlib import Path
from typing import Final

__all__ = ["bundle_of", "make_model"]

_MODEL: Final = "mobilenet_v2"
_TRAINING: Final = ("--dataset", "digits", "--input-size", "40", "--epochs", "3")


def bundle_of(folder: Path) -> Path:
    """Where the model's bundle is in the demo's folder."""
    return folder / "bundles" / _MODEL


def make_model(folder: Path) -> int:
    """Train the model unless its weights are in the folder, and export it unless its bundle is.

    Returns:
        The exit code of the step that failed, else 0.
    """
    # Let torch's threads sleep while they wait: spinning, they make training much slower beside other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from exporter.cli import main

    weights, bundle = folder / f"{_MODEL}.pth", bundle_of(folder)
    if not weights.exists() and (code := main(["train", _MODEL, *_TRAINING, "--out", str(weights)])):
        return code
    if not (bundle / "manifest.json").exists():
        return main(["export", _MODEL, "--weights", str(weights), "--out", str(bundle)])
    return 0


if __name__ == "__main__":
    sys.exit(make_model(Path(sys.argv[1])))
