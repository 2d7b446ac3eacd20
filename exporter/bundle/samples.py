"""A bundle's samples: preprocessed inputs, their labels, and the whole graph's answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exporter.errors import BundleError

__all__ = ["Samples", "load_samples", "reference_outputs", "save_samples"]

Arrays = dict[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Samples:
    """Held-out samples, as arrays whose first dimension is the sample.

    Attributes:
        inputs: arrays by the graph's input names.
        labels: int64, or None where the data has no labels for this model.
        answers: the whole graph's outputs for these inputs, by name, from ONNX Runtime at export.
    """

    inputs: Arrays
    labels: np.ndarray[Any, Any] | None
    answers: Arrays

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(next(iter(self.inputs.values())))


def save_samples(path: Path, samples: Samples, reference: Arrays) -> None:
    """Write ``samples.npz``; `reference` holds PyTorch's outputs for the first samples."""
    arrays = {f"input.{name}": array for name, array in samples.inputs.items()}
    arrays |= {f"answer.{name}": array for name, array in samples.answers.items()}
    arrays |= {f"torch.{name}": array for name, array in reference.items()}
    if samples.labels is not None:
        arrays["label"] = samples.labels
    np.savez(path, allow_pickle=False, **arrays)


def load_samples(path: Path) -> Samples:
    """Read ``samples.npz``.

    Raises:
        BundleError: the file is missing or damaged.
    """
    arrays = _load(path)
    return Samples(_part(arrays, "input."), arrays.get("label"), _part(arrays, "answer."))


def reference_outputs(path: Path) -> Arrays:
    """Return PyTorch's outputs for the first samples; empty for a model that came from an .onnx file."""
    return _part(_load(path), "torch.")


def _load(path: Path) -> Arrays:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy, zipfile and its decompressors each raise their own kinds
        raise BundleError(f"{path}: cannot be read ({error}); export the bundle again") from None


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
