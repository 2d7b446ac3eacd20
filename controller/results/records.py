"""A trial's records as its row keeps them: the raw rows of endpoint and hops, compressed."""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from controller.results.encoding import dump
from controller.results.record_faults import row_faults
from controller.results.trial import Trial
from worker.records import ENDPOINT, HOP

__all__ = ["digest_of", "pack", "unpack"]

_MOST_TIMES: Final = 100
_SMALL_BYTES: Final = 1 << 20
"""Records are at most so many times as long as their compressed form, unless they are small."""

_Rows = NDArray[np.void]


def pack(endpoint: _Rows, hops: Sequence[_Rows]) -> bytes:
    """The compressed bytes of all rows."""
    return zlib.compress(b"".join(_raw(endpoint, hops)))


def _raw(endpoint: _Rows, hops: Sequence[_Rows]) -> list[bytes]:
    return [np.ascontiguousarray(endpoint, ENDPOINT).tobytes()] + [
        np.ascontiguousarray(rows, HOP).tobytes() for rows in hops
    ]


def unpack(blob: bytes, rows: int, hops: int) -> tuple[_Rows, tuple[_Rows, ...]]:
    """The endpoint's rows and those of each hop, from their compressed bytes.

    Args:
        rows: How many the endpoint, and each hop, must have.

    Raises:
        ValueError: They are too long, not so many, or have `row_faults`.
    """
    expected = rows * (ENDPOINT.itemsize + hops * HOP.itemsize)
    if expected > max(_MOST_TIMES * len(blob), _SMALL_BYTES):
        raise ValueError(f"{len(blob)} bytes do not hold {rows} requests")
    unzip = zlib.decompressobj()
    try:
        raw = unzip.decompress(blob, expected + 1)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if len(raw) != expected or not unzip.eof or unzip.unused_data:
        raise ValueError(f"not the bytes of {rows} requests on {hops} stages")
    endpoint = np.frombuffer(raw, ENDPOINT, rows)
    offsets = range(rows * ENDPOINT.itemsize, expected, rows * HOP.itemsize) if rows else ()
    of_hops = tuple(np.frombuffer(raw, HOP, rows, offset) for offset in offsets)
    for name, of_part in (
        ("endpoint", endpoint),
        *((f"hop {i}", of_hop) for i, of_hop in enumerate(of_hops)),
    ):
        for fault in row_faults(of_part, rows):
            raise ValueError(f"{name}: {fault}")
    return endpoint, of_hops


def digest_of(trial: Trial) -> str:
    """The SHA-256 of what a trial measured, in hex: devices by their positions, no names and no words.

    So another name for a device, a network or a cell leaves it as it is.
    """
    positions = {"controller": -1}
    telemetry = {device: samples for device, samples in trial.telemetry.items() if samples}
    devices = [
        *(hop.device for hop in trial.hops),
        *(end for link in trial.links for end in (link.sender, link.receiver)),
        *telemetry,
    ]
    for device in devices:
        positions.setdefault(device, len(positions) - 1)
    course = replace(trial.course, jitter_seeds={})
    measured = {
        "number": trial.number,
        "elapsed_s": float(trial.elapsed_s),
        "checked": trial.checked,
        "worst_error": float(trial.worst_error),
        "hops": [
            asdict(hop) | {"device": positions[hop.device], "alone_missing": None} for hop in trial.hops
        ],
        "links": [
            asdict(link) | {"sender": positions[link.sender], "receiver": positions[link.receiver]}
            for link in trial.links
        ],
        "course": asdict(course),
        "jitter_seeds": sorted(trial.course.jitter_seeds.values()),
        "telemetry": {str(positions[device]): samples for device, samples in telemetry.items()},
    }
    digest = hashlib.sha256(dump(_floats(measured)).encode())
    for part in _raw(trial.endpoint_rows, trial.hop_rows):
        digest.update(part)
    return digest.hexdigest()


def _floats(value: Any) -> Any:
    """Every number as a float, since a field of floats may have been given 1 and be read as 1.0."""
    if isinstance(value, Mapping):
        return {key: _floats(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_floats(each) for each in value]
    is_small = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= 1 << 53
    return float(value) if is_small else value
