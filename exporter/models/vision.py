"""Import torchvision, also where its compiled operators do not load."""

import importlib
from types import ModuleType
from typing import Final

import torch

__all__ = ["import_torchvision", "lacks_operators"]

_DECLARED: Final[list[torch.library.Library]] = []


def import_torchvision() -> ModuleType:
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
        if not lacks_operators(error):
            raise
        return False
    return True


def lacks_operators(error: BaseException) -> bool:
    """Whether an import failed since torchvision's compiled operators did not load."""
    return isinstance(error, RuntimeError) and "torchvision::nms" in str(error)
