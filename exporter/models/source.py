"""Resolve MODEL on the command line: a built-in model, a function, or an .onnx file."""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch

from exporter.errors import ModelError, first_line, nearest
from exporter.models.vision import import_torchvision, lacks_operators
from exporter.models.zoo import find_model

__all__ = ["METRICS", "FunctionModel", "call_function", "kind_of", "short_name"]

METRICS = ("top1", "top5")

_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True)
class FunctionModel:
    """The return value of a user's function: a module, an example input, optional data and metric."""

    module: torch.nn.Module
    example: Any
    data: Iterable[Any] | None
    metric: str | None


def kind_of(model: str) -> str:
    """Tell ``zoo``, ``file`` or ``function`` apart.

    Raises:
        ModelError: the model is none of them; suggests the nearest built-in model.
    """
    if model.endswith(".onnx"):
        return "file"
    if ":" in model:
        return "function"
    try:
        find_model(model)
    except ModelError as error:
        raise ModelError(
            f"{error}; or give package.module:function, file.py:function or a file.onnx"
        ) from None
    return "zoo"


def short_name(model: str) -> str:
    """Return a short name for a model, for manifests and file names."""
    return Path(model).stem if model.endswith(".onnx") else model.rpartition(":")[2]


def call_function(model: str) -> FunctionModel:
    """Import ``package.module:function`` or ``file.py:function``, call it and check its return value.

    Raises:
        ModelError: the module or function is missing, raises, or returns something else.
    """
    place, _, name = model.rpartition(":")
    module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    function = getattr(module, name, None)
    if not callable(function):
        known = [
            each for each in vars(module) if callable(getattr(module, each)) and not each.startswith("_")
        ]
        raise ModelError(f'{place}: has no function "{name}"{nearest(name, known)}; name one that it defines')
    try:
        returned = function()
    except Exception as error:  # a user's function may raise anything
        raise ModelError(f"{model}: raised {type(error).__name__}: {first_line(error)}") from None
    return _checked(model, returned)


def _checked(model: str, returned: Any) -> FunctionModel:
    rule = "must return (module, example_input) or (module, example_input, data, metric)"
    if not isinstance(returned, tuple) or len(returned) not in (2, 4):
        raise ModelError(f"{model}: {rule}, not {_describe(returned)}")
    network, example, data, metric = returned if len(returned) == 4 else (*returned, None, None)
    if not isinstance(network, torch.nn.Module):
        raise ModelError(f"{model}: {rule}; the first is a {type(network).__name__}, not a torch.nn.Module")
    if data is not None and not isinstance(data, Iterable):
        raise ModelError(f"{model}: data must give (inputs, label) pairs when iterated, or be None")
    if metric not in (None, *METRICS):
        raise ModelError(f'{model}: metric must be one of {", ".join(METRICS)} or None, not "{metric}"')
    return FunctionModel(network, example, data, metric)


def _describe(returned: Any) -> str:
    return f"{len(returned)} values" if isinstance(returned, tuple) else f"a {type(returned).__name__}"


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ModelError(f"{path}: no such file")
    module, loader = importlib.util.module_from_spec(spec), spec.loader
    sys.modules[path.stem] = module  # dataclasses and pickling inside the file look themselves up there
    sys.path.insert(0, str(path.parent.resolve()))
    try:
        _run(lambda: loader.exec_module(module))
    except Exception as error:  # a user's file may raise anything
        raise ModelError(f"{path}: raised {type(error).__name__}: {first_line(error)}") from None
    finally:
        sys.path.pop(0)
    return module


def _run(load: Callable[[], _Loaded]) -> _Loaded:
    """Load a user's code, which may import torchvision where its compiled operators do not load."""
    try:
        return load()
    except RuntimeError as error:
        if not lacks_operators(error):
            raise
    import_torchvision()
    return load()


def _load_module(name: str) -> ModuleType:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return _run(lambda: importlib.import_module(name))
    except ModuleNotFoundError as error:
        raise ModelError(
            f'{name}: no module "{error.name}"; install it, or run this in the folder that holds it'
        ) from None
    except Exception as error:  # a user's module may raise anything
        raise ModelError(f"{name}: raised {type(error).__name__}: {first_line(error)}") from None
    finally:
        sys.path.pop(0)
