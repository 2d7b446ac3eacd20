"""Batch norm statistics from real inputs, for models whose weights are drawn at random.

A fresh model in eval mode normalises by mean 0 and variance 1, which its activations do not have: they
fade to about 1e-9 and any comparison passes. With statistics of real inputs each layer has a signal.
"""

from collections.abc import Iterable

import torch

__all__ = ["calibrate"]


def calibrate(module: torch.nn.Module, batches: Iterable[torch.Tensor]) -> int:
    """Set batch norm's running statistics from forward passes; return how many layers have them."""
    module.eval()
    norms = [each for each in module.modules() if isinstance(each, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
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
