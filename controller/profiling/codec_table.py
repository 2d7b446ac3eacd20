"""Compare codecs on one cut of one model, on this machine: bytes, time and accuracy."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from controller.console import plain_table, show, show_table
from controller.experiment.cells import cell_of, label_of
from controller.pipeline.accuracy import codec_accuracies
from controller.results import Settings
from exporter.bundle import Bundle, run_chain
from worker.wire.codecs import Decoder, EncodedPayload, Encoder, parse_codec

__all__ = ["CODECS", "show_codec_table"]

CODECS = "none,fp16,uint8,lz4,zstd,uint8+zstd,zfp:0.01,zfp:0.1"
_ROUNDS = 5


@dataclass(frozen=True)
class _Measured:
    payload_bytes: int
    encoded_bytes: float
    encode_s: float
    decode_s: float


def show_codec_table(bundle: Bundle, cut: int, codecs: Sequence[str], samples: int | None) -> None:
    """Print a row for each codec on the tensors that cross `cut`, one sample per request.

    Times are medians over the samples; accuracy is the chain's with the codec at this cut alone.

    Raises:
        ControllerError: This machine lacks a codec.
    """
    crossing = _crossing(bundle, cut, samples)
    show(f"{bundle.manifest.model} cut at {label_of(bundle, (cut,))}, {len(crossing)} samples, batch 1")
    table = plain_table(
        *("codec", "bytes", "ratio", "encode ms", "decode ms", "worst tensor error", "worst answer error"),
        *("accuracy", "change"),
    )
    batch = bundle.fixed_batch or 1
    for codec in codecs:
        settings = Settings(batch=batch, codec="none" if codec == "none" else f"forward: {codec}")
        cell = cell_of(bundle, ("first", "second"), (cut,), settings)
        accuracy = next(codec_accuracies(bundle, [cell], samples))
        measured = _measure(codec, crossing)
        change = None if accuracy.chain is None or accuracy.whole is None else accuracy.chain - accuracy.whole
        table.add_row(
            codec,
            f"{measured.encoded_bytes:.0f}",
            f"{measured.payload_bytes / measured.encoded_bytes:.2f}",
            f"{measured.encode_s * 1e3:.3f}",
            f"{measured.decode_s * 1e3:.3f}",
            f"{accuracy.tensor_error:.1e}",
            f"{accuracy.worst_error:.1e}",
            "null" if accuracy.chain is None else f"{accuracy.chain * 100:.2f} %",
            "null" if change is None else f"{change * 100:+.2f} points",
        )
    show_table(table)


def _crossing(bundle: Bundle, cut: int, samples: int | None) -> list[list[NDArray[Any]]]:
    """The tensors that cross the cut, for each sample (or batch, where the graph's batch is fixed)."""
    seen: dict[str, NDArray[Any]] = {}

    def keep(position: int, tensors: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        if position == (0 if cut == 0 else 1):
            seen.update(tensors)
        return tensors

    available = bundle.samples()
    size = bundle.fixed_batch or 1
    count = min(samples or available.count, available.count) // size * size
    crossing = []
    for start in range(0, count, size):
        inputs = {name: array[start : start + size] for name, array in available.inputs.items()}
        run_chain(bundle, (cut,), inputs, between=keep)
        crossing.append([np.ascontiguousarray(seen[tensor.name]) for tensor in bundle.tensors_at(cut)])
    return crossing


def _measure(name: str, crossing: Sequence[Sequence[NDArray[Any]]]) -> _Measured:
    """Encode and decode each request; the first round only warms up."""
    codec = parse_codec(name)
    forms = [(array.shape, array.dtype) for array in crossing[0]]
    encoder, decoder = Encoder(forms, codec), Decoder(forms, codec)
    payload: EncodedPayload = encoder.new_payload()
    into = [np.empty_like(array) for array in crossing[0]]
    encode_s, decode_s, encoded_bytes = [], [], []
    for index in range(_ROUNDS * len(crossing)):
        began_s = time.perf_counter()
        encoder.encode(crossing[index % len(crossing)], payload)
        encoded_s = time.perf_counter()
        decoder.take(payload, into)
        decode_s.append(time.perf_counter() - encoded_s)
        encode_s.append(encoded_s - began_s)
        encoded_bytes.append(payload.encoded_bytes)
    return _Measured(
        payload_bytes=sum(array.nbytes for array in crossing[0]),
        encoded_bytes=float(np.mean(encoded_bytes)),
        encode_s=float(np.median(encode_s[len(crossing) :])),
        decode_s=float(np.median(decode_s[len(crossing) :])),
    )
