"""Read and write ``.pth`` files, without unpickling anything: always ``weights_only=True``."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from exporter.errors import OutputError, WeightsError, first_line

__all__ = ["TrainedAs", "WeightsFile", "fit_weights", "read_weights", "save_weights"]

_METADATA = "edgecut"


@dataclass(frozen=True)
class TrainedAs:
    """The notes of `train` beside the weights, which save `export` some options."""

    model: str
    dataset: str
    num_classes: int
    input_size: int
    seed: int
    held_out_accuracy: float | None


@dataclass(frozen=True)
class WeightsFile:
    """A weights file as read: tensors by name, and the notes of `train` if it wrote the file."""

    path: Path
    state: dict[str, torch.Tensor]
    trained_as: TrainedAs | None


def read_weights(path: Path) -> WeightsFile:
    """Read a state dict, or ``{"state_dict" | "model": ...}``, with or without ``module.`` prefixes.

    Raises:
        WeightsError: the file is missing, damaged, a pickled module, or without tensors.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such weights file") from None
    except Exception as error:  # a damaged file may make the unpickler raise anything
        if isinstance(error, pickle.UnpicklingError) and "global" in str(error).lower():
            raise WeightsError(_conversion(path)) from None
        raise WeightsError(f"{path}: not a PyTorch weights file ({first_line(error)})") from None
    return WeightsFile(path, _tensors_of(content, path), _metadata_of(content, path))


def fit_weights(file: WeightsFile, module: torch.nn.Module) -> None:
    """Load the weights into a module, without an auxiliary head that the module lacks.

    Raises:
        WeightsError: the weights do not fit; names the first key at fault.
    """
    expected = module.state_dict()
    state = {
        name: tensor
        for name, tensor in file.state.items()
        if name in expected or not name.startswith("AuxLogits.")
    }
    for name, tensor in expected.items():
        if name not in state:
            # Checkpoints from before PyTorch 0.4 lack this counter, which inference never reads.
            if name.endswith(".num_batches_tracked"):
                state[name] = tensor
                continue
            raise WeightsError(f'{file.path}: does not fit: it lacks "{name}"; is it of this model?')
        if state[name].shape != tensor.shape:
            raise WeightsError(
                f'{file.path}: does not fit: "{name}" is {list(state[name].shape)} and the model has '
                f"{list(tensor.shape)}; check --num-classes"
            )
    for name in state:
        if name not in expected:
            raise WeightsError(f'{file.path}: does not fit: the model has no "{name}"; is it of this model?')
    module.load_state_dict(state)


def save_weights(path: Path, module: torch.nn.Module, trained_as: TrainedAs) -> None:
    """Write ``{"state_dict": ..., "edgecut": {...}}``, whole or not at all.

    Raises:
        OutputError: the path is not writable.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        torch.save({"state_dict": module.state_dict(), _METADATA: vars(trained_as)}, partial)
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise OutputError(f"{path}: cannot be written ({first_line(error)})") from None


def _conversion(path: Path) -> str:
    converted = path.with_suffix(".state.pth")
    return (
        f"{path}: holds a pickled module or other objects, which edgecut never unpickles; if you trust the "
        f'file, convert it: python -c "import torch; torch.save('
        f"torch.load('{path}', weights_only=False).state_dict(), '{converted}')\""
    )


def _tensors_of(content: Any, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(content, Mapping):
        for key in ("state_dict", "model"):
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path}: holds no state dict; save module.state_dict()")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor):
            raise WeightsError(f'{path}: holds no state dict, "{name}" is a {type(value).__name__}')
    return {name.removeprefix("module."): value for name, value in content.items()}


def _metadata_of(content: Any, path: Path) -> TrainedAs | None:
    noted = content.get(_METADATA) if isinstance(content, Mapping) else None
    if noted is None:
        return None
    try:
        return TrainedAs(**noted)
    except TypeError as error:
        raise WeightsError(f'{path}: its "{_METADATA}" entry is damaged ({error}); train again') from None
