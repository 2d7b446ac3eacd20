"""Modules of the zoo's models, from torchvision, fresh or with ImageNet weights."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from exporter.errors import ModelError, WeightsError
from exporter.models.torchvision_ops import torchvision
from exporter.models.zoo import ZOO

__all__ = ["build", "build_imagenet"]


def build(name: str, class_count: int) -> torch.nn.Module:
    """Build a model with fresh weights, without auxiliary heads.

    Raises:
        ModelError: no such model in the zoo.
    """
    extra: dict[str, Any] = {}
    if name == "inception_v3":
        extra = {"aux_logits": False, "init_weights": False}
    module: torch.nn.Module = _constructor(name)(weights=None, num_classes=class_count, **extra)
    return module


def build_imagenet(name: str) -> torch.nn.Module:
    """Build a model with torchvision's ImageNet weights, from its cache or by download.

    Raises:
        ModelError: no such model in the zoo.
        WeightsError: they are not in the cache and cannot be downloaded.
    """
    extra = {"aux_logits": False} if name == "inception_v3" else {}
    constructor = _constructor(name)
    try:
        module: torch.nn.Module = constructor(weights=ZOO[name].imagenet, **extra)
    except (URLError, OSError, RuntimeError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise WeightsError(
            f"imagenet weights of {name}: not in {cache} and cannot be downloaded ({error}); "
            "put the file there or give --weights FILE.pth"
        ) from None
    return module


def _constructor(name: str) -> Any:
    if name not in ZOO:
        raise ModelError(f'no model "{name}" in the zoo')
    return getattr(torchvision().models, name)
