"""Accuracy of the whole graph and of the chain of shards at each split, with and without codecs."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.errors import ControllerError
from controller.experiment.topology import stage_links
from controller.results import Accuracy, Cell, CodecAccuracy
from exporter.bundle import Bundle, accuracy, run_chain
from worker.endpoint import WORST_ALLOWED_ERROR
from worker.wire.codecs import Codec, Decoder, Encoder, available_codecs, lack_of, parse_codec

__all__ = ["accuracies", "allowed_error", "codec_accuracies"]

_MARGIN = 2.0
"""Another processor rounds differently, and a value between two steps may take the other one there."""

_Arrays = dict[str, NDArray[Any]]


def accuracies(bundle: Bundle, splits: Sequence[tuple[int, ...]], limit: int | None) -> Iterator[Accuracy]:
    """Run each split's chain over the bundle's first `limit` samples (None: all) and compare with the whole.

    The whole graph is run over the same samples here, not taken from the bundle's answers, which may
    come from another processor.
    """
    inputs, labels = _samples(bundle, limit)
    whole = run_chain(bundle, (), inputs)
    whole_accuracy = accuracy(bundle, whole, labels)
    for cuts in splits:
        chain = run_chain(bundle, cuts, inputs)
        yield Accuracy(
            bundle=bundle.digest,
            cuts=cuts,
            samples=_count(inputs),
            whole=whole_accuracy,
            chain=accuracy(bundle, chain, labels),
            worst_error=_worst_error(chain, whole),
        )


def codec_accuracies(
    bundle: Bundle, cells: Sequence[Cell], limit: int | None, *, sends_all: bool = False
) -> Iterator[CodecAccuracy]:
    """The same for each cell with its codecs, which do to its tensors here what they do on the links.

    Args:
        sends_all: The errors are over all samples, since a sweep may send each and checks its result.

    Raises:
        ControllerError: This machine lacks a codec.
    """
    inputs, labels = _samples(bundle, None if sends_all else limit)
    count = min(limit or _count(inputs), _count(inputs))
    labels = None if labels is None else labels[:count]
    whole = run_chain(bundle, (), inputs)
    whole_accuracy = accuracy(bundle, _first(count, whole), labels)
    unchanged: dict[tuple[int, ...], _Arrays] = {}
    for cell in cells:
        links = _CodedLinks([parse_codec(link.codec) for link in stage_links(cell, bundle)])
        if links.lossless:
            if cell.cuts not in unchanged:
                unchanged = {cell.cuts: run_chain(bundle, cell.cuts, inputs)}
            chain = unchanged[cell.cuts]
        else:
            chain = run_chain(bundle, cell.cuts, inputs, batch=cell.batch, between=links)
        yield CodecAccuracy(
            bundle=bundle.digest,
            cuts=cell.cuts,
            devices=cell.devices,
            source=cell.source,
            codec=cell.codec,
            batch=cell.batch,
            samples=count,
            whole=whole_accuracy,
            chain=accuracy(bundle, _first(count, chain), labels),
            worst_error=_worst_of_batches(chain, whole, cell.batch),
            tensor_error=links.tensor_error,
        )


def allowed_error(measured: CodecAccuracy | None) -> float:
    """What a result may differ by from its answer, of the answer's own maximum.

    With codecs: twice what the same chain with the same codecs gave here, on the same samples.
    """
    return max(WORST_ALLOWED_ERROR, _MARGIN * measured.worst_error) if measured else WORST_ALLOWED_ERROR


class _CodedLinks:
    """What the codecs of a chain's links do to its tensors."""

    def __init__(self, codecs: Sequence[Codec]) -> None:
        for codec in codecs:
            lack = lack_of(codec, available_codecs())
            if lack:
                raise ControllerError(f"this machine {lack}; what it does to accuracy is computed here")
        self._codecs = codecs
        self.lossless = all(codec.lossless for codec in codecs)
        self.tensor_error = 0.0

    def __call__(self, position: int, tensors: _Arrays) -> _Arrays:
        codec = self._codecs[position]
        if codec.lossless:
            return tensors
        arrays = [np.ascontiguousarray(tensor) for tensor in tensors.values()]
        forms = [(array.shape, array.dtype) for array in arrays]
        encoder, decoder = Encoder(forms, codec), Decoder(forms, codec)
        payload = encoder.new_payload()
        encoder.encode(arrays, payload)
        decoded = [np.empty_like(array) for array in arrays]
        decoder.take(payload, decoded)
        after = dict(zip(tensors, decoded, strict=True))
        self.tensor_error = max(self.tensor_error, _worst_error(after, tensors))
        return after


def _samples(bundle: Bundle, limit: int | None) -> tuple[_Arrays, NDArray[Any] | None]:
    samples = bundle.samples()
    count = min(limit or samples.count, samples.count)
    return _first(count, samples.inputs), None if samples.labels is None else samples.labels[:count]


def _first(count: int, arrays: _Arrays) -> _Arrays:
    return {name: array[:count] for name, array in arrays.items()}


def _count(inputs: _Arrays) -> int:
    return len(next(iter(inputs.values())))


def _worst_of_batches(actual: _Arrays, right: _Arrays, batch: int) -> float:
    """Each batch against its own maximum, as the sink of a pipeline does it."""
    return max(
        _worst_error(
            {name: array[start : start + batch] for name, array in actual.items()},
            {name: array[start : start + batch] for name, array in right.items()},
        )
        for start in range(0, _count(right), batch)
    )


def _worst_error(actual: _Arrays, right: _Arrays) -> float:
    return max(_relative_error(actual[name], right[name]) for name in right)


def _relative_error(actual: NDArray[Any], right: NDArray[Any]) -> float:
    """Largest difference, relative to the right answer's own maximum; infinite where it is not a number."""
    scale = float(np.abs(right).max(initial=0.0)) or 1.0
    error = float(np.abs(actual.astype(np.float64) - right).max(initial=0.0)) / scale
    return float("inf") if math.isnan(error) else error
