"""Measure codecs' costs and savings on a lab's links, for predictions.

Encoded bytes and accuracy are the same on every machine, so the controller computes them, from the model's
samples, for every cut. The devices' times to encode and decode are measured on them, in pipelines with
cuts of small, medium and large payloads.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from controller.experiment.cells import cell_of
from controller.experiment.networks import Network
from controller.experiment.topology import payload_bytes
from controller.pipeline.accuracy import codec_accuracies
from controller.profiling.calibration import fit_line
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
    # By device and field: bytes before the codec, and seconds.
    codings: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for short_run, trials in results.items():
        crossing = next(link.payload_bytes for link in trials[0].links if link.sender != link.receiver)
        for device, position, what in zip(short_run.devices, (0, -1), ("encode", "decode"), strict=True):
            times_s = np.concatenate([trial.records[position][f"{what}_s"] for trial in trials])
            codings.setdefault((device, what), []).append((crossing, float(np.median(times_s))))
    lines = {key: fit_line(*np.array(points).T) for key, points in codings.items()}
    return {
        device: CodecCost(
            encode_fixed_s=lines[device, "encode"][0],
            encode_byte_s=lines[device, "encode"][1],
            decode_fixed_s=lines[device, "decode"][0],
            decode_byte_s=lines[device, "decode"][1],
        )
        for device in dict.fromkeys(device for device, _ in lines)
    }
