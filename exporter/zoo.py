"""The ten models of the field, from torchvision, fresh or with ImageNet weights."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import torch

from exporter.errors import ModelError, WeightsError
from exporter.torchvision_ops import torchvision

__all__ = ["ZOO", "ZooModel", "build", "build_imagenet"]


@dataclass(frozen=True)
class ZooModel:
    """A model of the zoo: its usual input size, the least it accepts, and its ImageNet weights' name."""

    input_size: int
    least_size: int
    imagenet: str
    about: str


ZOO: dict[str, ZooModel] = {
    "mobilenet_v2": ZooModel(224, 32, "IMAGENET1K_V1", "inverted residuals"),
    "mobilenet_v3_small": ZooModel(224, 32, "IMAGENET1K_V1", "inverted residuals, squeeze and excitation"),
    "squeezenet1_1": ZooModel(224, 32, "IMAGENET1K_V1", "fire modules"),
    "shufflenet_v2_x0_5": ZooModel(224, 32, "IMAGENET1K_V1", "channel shuffle"),
    "efficientnet_b0": ZooModel(224, 32, "IMAGENET1K_V1", "inverted residuals, squeeze and excitation"),
    "alexnet": ZooModel(224, 64, "IMAGENET1K_V1", "a plain chain"),
    "resnet18": ZooModel(224, 32, "IMAGENET1K_V1", "residual blocks"),
    "resnet50": ZooModel(224, 32, "IMAGENET1K_V2", "bottleneck residual blocks"),
    "vgg16": ZooModel(224, 32, "IMAGENET1K_V1", "a plain chain, large"),
    "inception_v3": ZooModel(299, 75, "IMAGENET1K_V1", "parallel branches"),
}


def build(name: str, class_count: int) -> torch.nn.Module:
    """Build a model with fresh weights, without auxiliary heads.

    Raises:
        ModelError: no such model in the zoo.
    """
    extra: dict[str, Any] = {}
    if name == "inception_v3":
        extra = {"aux_logits": False, "init_weights": False}
    return _constructor(name)(weights=None, num_classes=class_count, **extra)


def build_imagenet(name: str) -> torch.nn.Module:
    """Build a model with torchvision's ImageNet weights, from its cache or by download.

    Raises:
        ModelError: no such model in the zoo.
        WeightsError: they are not in the cache and cannot be downloaded.
    """
    constructor = _constructor(name)
    try:
        module = constructor(weights=ZOO[name].imagenet)
    except (URLError, OSError, RuntimeError) as error:
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        raise WeightsError(
            f"imagenet weights of {name}: not in {cache} and cannot be downloaded ({error}); "
            "put the file there or give --weights FILE.pth"
        ) from None
    if name == "inception_v3":
        module.aux_logits, module.AuxLogits = False, None
    return module


def _constructor(name: str) -> Any:
    if name not in ZOO:
        raise ModelError(f'no model "{name}" in the zoo')
    return getattr(torchvision().models, name)
