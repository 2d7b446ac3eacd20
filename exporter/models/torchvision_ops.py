"""Import torchvision where its compiled operators do not load.

A torchvision wheel for CUDA does not load its operators beside a torch without CUDA. Its import then stops
with ``operator torchvision::nms does not exist``, because it registers shapes for operators that nothing
declared. Image classifiers use none of them, so this module declares their schemas, and only where the real
ones are missing.
"""

import importlib
from types import ModuleType

import torch

__all__ = ["torchvision"]

_DECLARED: list[torch.library.Library] = []


def torchvision() -> ModuleType:
    """Return the torchvision package, imported with or without its compiled operators."""
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
