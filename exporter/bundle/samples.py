"""A bundle's samples: preprocessed inputs, their labels, and the whole graph's answers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exporter.bundle.tensors import Array, Arrays
from exporter.errors import BundleError

__all__ = ["Samples", "load_samples", "save_samples"]


@dataclass(frozen=True)
class Samples:
    """Held-out samples, as arrays whose first dimension is the sample.

    Attributes:
        inputs: arrays by the graph's input names.
        labels: int64, or None where the data has no labels for this model.
        answers: the whole graph's outputs for these inputs, by name, from ONNX Runtime at export.
        reference: PyTorch's outputs for the first of them; empty for a model from an .onnx file.
    """

    inputs: Arrays
    labels: Array | None
    answers: Arrays
    reference: Arrays

    @property
    def count(self) -> int:
        """The number of samples."""
        return len(next(iter(self.inputs.values())))


def save_samples(path: Path, samples: Samples) -> None:
    """Write ``samples.npz``."""
    arrays = {f"input.{name}": array for name, array in samples.inputs.items()}
    arrays |= {f"answer.{name}": array for name, array in samples.answers.items()}
    arrays |= {f"torch.{name}": array for name, array in samples.reference.items()}
    if samples.labels is not None:
        arrays["label"] = samples.labels
    np.savez(path, allow_pickle=False, **arrays)


def load_samples(path: Path) -> Samples:
    """Read ``samples.npz``.

    Raises:
        BundleError: the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except Exception as error:  # numpy, zipfile and its decompressors each raise their own kinds
        raise BundleError(f"{path}: cannot be read ({error}); export the bundle again") from None
    inputs, answers, reference = (_part(arrays, prefix) for prefix in ("input.", "answer.", "torch."))
    return Samples(inputs, arrays.get("label"), answers, reference)


def _part(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
