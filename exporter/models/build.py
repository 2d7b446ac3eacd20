"""The built-in models as torchvision modules, with fresh, calibrated or ImageNet weights."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from exporter.errors import WeightsError
from exporter.models.vision import import_torchvision
from exporter.models.zoo import find_model

__all__ = ["build", "build_imagenet", "calibrate"]

_SHIFT = 1.0


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


def calibrate(module: torch.nn.Module, batches: Iterable[torch.Tensor]) -> int:
    """Set batch norm's shifts, and its statistics from real inputs; return the number of its layers.

    A fresh model in eval mode normalises by mean 0 and variance 1, which its activations do not have: they
    fade to about 1e-9 and any comparison passes. With statistics of real inputs each layer has a signal.

    With batch norm's usual shift of 0 a random network is chaotic: each ReLU cuts half of its input, and over
    50 layers a rounding error of 1e-7 grows to 8e-5 of the output (mobilenet_v2, 224x224), as much as a wrong
    shard's error may be. A shift of 1 keeps the ReLUs nearly linear and reduces it to 5e-6; trained networks
    are at 3e-7.
    """
    module.eval()
    norms = [each for each in module.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        if norm.affine:
            torch.nn.init.constant_(norm.bias, _SHIFT)
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()  # dropout stays in eval mode
    with torch.no_grad():
        for batch in batches if norms else ():
            module(batch)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()
    return len(norms)


def _constructor(name: str) -> Any:
    find_model(name)
    return getattr(import_torchvision().models, name)
