"""The built-in models as torchvision modules, with fresh or ImageNet weights."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

import torch

from exporter.errors import WeightsError
from exporter.models.zoo import find_model

__all__ = ["build", "build_imagenet"]

_DECLARED: list[torch.library.Library] = []


def build(name: str, class_count: int) -> torch.nn.Module:
    """Build a model with fresh weights and without auxiliary heads.

    Raises:
        ModelError: the model is unknown.
    """
    extra: dict[str, Any] = {}
    if name == "inception_v3":
        extra = {"aux_logits": False, "init_weights": False}
    module: torch.nn.Module = _constructor(name)(weights=None, num_classes=class_count, **extra)
    return module


def build_imagenet(name: str) -> torch.nn.Module:
    """Build a model with torchvision's ImageNet weights, from its cache or by download.

    Raises:
        ModelError: the model is unknown.
        WeightsError: the weights are not in the cache and cannot be downloaded.
    """
    extra = {"aux_logits": False} if name == "inception_v3" else {}
    constructor = _constructor(name)
    try:
        module: torch.nn.Module = constructor(weights=find_model(name).imagenet, **extra)
    except (URLError, OSError, RuntimeError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise WeightsError(
            f"{name}: its ImageNet weights are not in {cache} and cannot be downloaded ({error}); "
            "put the file there or give --weights FILE.pth"
        ) from None
    return module


def _constructor(name: str) -> Any:
    find_model(name)
    return getattr(_torchvision().models, name)


def _torchvision() -> ModuleType:
    """Return the torchvision package, imported with or without its compiled operators.

    A torchvision wheel for CUDA does not load its operators beside a torch without CUDA. Its import then
    stops with ``operator torchvision::nms does not exist``, because it registers shapes for operators that
    nothing declared. Image classifiers use none of them, so this declares their schemas, and only where the
    real ones are missing.
    """
    if not _DECLARED and not _loads():
        library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # by torch
        for operator in ("nms", "qnms"):
            schema = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            library.define(schema)  # type: ignore[no-untyped-call]  # by torch
        _DECLARED.append(library)  # a library's declarations last as long as it does
    return importlib.import_module("torchvision")


def _loads() -> bool:
    """Tell whether torchvision imports unaided; a failed import leaves no half-imported module."""
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        return False
    return True
