"""Measure codecs' costs and savings on a lab's links, for predictions.

Encoded bytes and accuracy are the same on every machine, so the controller computes them, from the model's
samples, for every cut. The devices' times to encode and decode are measured on them, in pipelines with
cuts of small, medium and large payloads.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.experiment.cells import cell_of
from controller.experiment.networks import Network
from controller.experiment.topology import payload_bytes
from controller.pipeline.accuracy import codec_accuracies
from controller.profiling.calibration import median_slope
from controller.profiling.profile import CodecCost, CodecProfile, Profile
from controller.profiling.short_runs import ProfilingContext, ShortRun, rounds
from controller.results import Settings, Trial
from exporter.bundle import Bundle, run_chain
from worker.wire.codecs import Encoder, parse_codec

__all__ = ["profile_codecs"]

_ROUNDS: Final = 2
_REQUESTS: Final = 12
_WARMUP: Final = 3
_SAMPLES: Final = 16
"""Samples whose encoded bytes are counted, which hardly differ from one to the next."""


@dataclass(frozen=True)
class _Coding:
    """A device's seconds for a number of bytes before the codec."""

    payload_bytes: float
    seconds: float


def profile_codecs(
    context: ProfilingContext, profile: Profile, names: Sequence[str], step: Callable[[int, int], None]
) -> Profile:
    """Add these codecs to a device profile, replacing those that it has.

    Raises:
        ControllerError: This machine lacks a codec.
        TrialVoid: A device was lost, or lacks a codec.
    """
    payload = np.array([payload_bytes(context.bundle.tensors_at(c), 1) for c in profile.cuts], dtype=float)
    pairs = [
        pair for pair in itertools.permutations(profile.devices, 2) if next(iter(profile.devices)) in pair
    ]
    short_runs = [
        ShortRun(pair, cut, 1, _REQUESTS, _WARMUP, Network(), name)
        for name in names
        for pair in pairs
        for cut in _telling_cuts(profile.cuts, payload)
    ]
    results = rounds(context, short_runs, _ROUNDS, "codecs", step)
    codecs = {
        name: CodecProfile(
            encoded_bytes=_encoded_bytes(context.bundle, profile.cuts, name),
            accuracy=_accuracy(context.bundle, profile.cuts, name),
            costs=_costs(
                {short_run: trials for short_run, trials in results.items() if short_run.codec == name}
            ),
        )
        for name in names
    }
    return msgspec.structs.replace(profile, codecs={**profile.codecs, **codecs})


def _telling_cuts(cuts: Sequence[int], payload: NDArray[np.float64]) -> list[int]:
    """Inner cuts of the smallest, the median and the largest payload."""
    inner = sorted(range(1, len(cuts) - 1), key=lambda i: payload[i])
    return list(dict.fromkeys(cuts[inner[at]] for at in (0, len(inner) // 2, -1))) if inner else []


def _encoded_bytes(bundle: Bundle, cuts: Sequence[int], name: str) -> tuple[float, ...]:
    """Encoded bytes of one sample at each cut, mean over some samples."""
    codec = parse_codec(name)
    size = bundle.fixed_batch or 1
    samples = bundle.samples()
    count = max(min(samples.count, _SAMPLES) // size, 1) * size
    sent = np.zeros(len(cuts))

    def encode(position: int, tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        arrays = [np.ascontiguousarray(tensor) for tensor in tensors.values()]
        encoder = Encoder([(array.shape, array.dtype) for array in arrays], codec)
        payload = encoder.new_payload()
        encoder.encode(arrays, payload)
        sent[position] += payload.encoded_bytes
        return tensors

    inputs = {key: array[:count] for key, array in samples.inputs.items()}
    run_chain(bundle, cuts[1:-1], inputs, batch=size, between=encode)
    return tuple((sent / count).tolist())


def _accuracy(bundle: Bundle, cuts: Sequence[int], name: str) -> tuple[float | None, ...]:
    """Accuracy of a chain of two at each cut, with the codec on all its links."""
    batch = bundle.fixed_batch or 1
    cells = [cell_of(bundle, ("first", "second"), (cut,), Settings(batch=batch, codec=name)) for cut in cuts]
    return tuple(accuracy.chain for accuracy in codec_accuracies(bundle, cells, None))


def _costs(results: Mapping[ShortRun, Sequence[Trial]]) -> dict[str, CodecCost]:
    """Each device's costs: the first stage encodes and the second decodes."""
    encoding: dict[str, list[_Coding]] = {}
    decoding: dict[str, list[_Coding]] = {}
    for short_run, trials in results.items():
        first, second = short_run.devices
        crossing = next(link.payload_bytes for link in trials[0].links if link.sender != link.receiver)
        for device, at, position, field in (
            (first, encoding, 0, "encode_s"),
            (second, decoding, -1, "decode_s"),
        ):
            seconds = float(np.median(np.concatenate([trial.records[position][field] for trial in trials])))
            at.setdefault(device, []).append(_Coding(crossing, seconds))
    return {
        device: CodecCost(
            **_line("encode", encoding[device]),
            **_line("decode", decoding[device]),
        )
        for device in encoding
    }


def _line(what: str, codings: Sequence[_Coding]) -> dict[str, float]:
    sent = np.array([coding.payload_bytes for coding in codings])
    seconds = np.array([coding.seconds for coding in codings])
    byte_s = median_slope(sent, seconds)
    fixed_s = max(0.0, float(np.median(seconds - byte_s * sent)))
    return {f"{what}_fixed_s": fixed_s, f"{what}_byte_s": byte_s}
