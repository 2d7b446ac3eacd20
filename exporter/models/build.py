"""The built-in models as torchvision modules, with fresh or ImageNet weights."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from exporter.errors import WeightsError
from exporter.models.torchvision_ops import torchvision
from exporter.models.zoo import find_model

__all__ = ["build", "build_imagenet"]


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
    return getattr(torchvision().models, name)
