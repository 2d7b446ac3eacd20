"""Accuracy of the whole graph and of the chain of shards at each split, computed here."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.store import Accuracy
from exporter.bundle import Bundle, accuracy, run_chain

__all__ = ["accuracies"]


def accuracies(bundle: Bundle, splits: Sequence[tuple[int, ...]], limit: int | None) -> Iterator[Accuracy]:
    """Run each split's chain over the bundle's samples (at most `limit`) and compare with the whole.

    The whole graph is run over the same samples here, not taken from the bundle's answers, which may
    come from another processor.
    """
    samples = bundle.samples()
    count = min(limit or samples.count, samples.count)
    inputs = {name: array[:count] for name, array in samples.inputs.items()}
    labels = None if samples.labels is None else samples.labels[:count]
    whole = run_chain(bundle, (), inputs)
    whole_accuracy = accuracy(bundle, whole, labels)
    for cuts in splits:
        chain = run_chain(bundle, cuts, inputs)
        yield Accuracy(
            bundle=bundle.digest,
            cuts=cuts,
            samples=count,
            whole=whole_accuracy,
            chain=accuracy(bundle, chain, labels),
            worst_error=max(_relative_error(chain[name], whole[name]) for name in whole),
        )


def _relative_error(found: NDArray[Any], right: NDArray[Any]) -> float:
    """Largest difference, relative to the right answer's own maximum."""
    scale = float(np.abs(right).max(initial=0.0)) or 1.0
    return float(np.abs(found.astype(np.float64) - right).max(initial=0.0)) / scale
