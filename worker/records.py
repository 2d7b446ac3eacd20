"""The records of every request: rows, and the ledgers that hold them.

Times `*_at_s` are on the recording device's monotonic clock and mean nothing beside another device's.
docs/measuring.md says what each duration is.
"""

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["ENDPOINT", "HOP", "Ledger", "rows_of"]

HOP: Final = np.dtype(
    [
        ("request", "<i8"),
        ("received_at_s", "<f8"),
        ("compute_at_s", "<f8"),
        ("receive_s", "<f8"),
        ("wait_compute_s", "<f8"),
        ("decode_s", "<f8"),
        ("compute_s", "<f8"),
        ("encode_s", "<f8"),
        ("wait_send_s", "<f8"),
        ("send_s", "<f8"),
    ]
)
"""One row a request and hop."""

ENDPOINT: Final = np.dtype(
    [
        ("request", "<i8"),
        ("scheduled_at_s", "<f8"),
        ("finished_at_s", "<f8"),
        ("latency_s", "<f8"),
        ("wait_source_s", "<f8"),
        ("prepare_s", "<f8"),
        ("encode_s", "<f8"),
        ("decode_s", "<f8"),
        ("counted", "u1"),
    ]
)
"""One row a request, on the clock of the endpoint's device. `counted`: 1, or 0 in warm-up and draining."""

_pack_into: Final = struct.Struct("<q9d").pack_into
_ROW_BYTES: Final = HOP.itemsize
_CHUNK_BYTES: Final = 16_384 * _ROW_BYTES


class Ledger:
    """Rows of one hop (`HOP`), appended by one thread at a time.

    It takes memory in chunks, so that a row costs the same in a run of any length.
    """

    def __init__(self) -> None:
        self._chunks: list[bytearray] = []
        self._chunk = bytearray()
        self._end = _CHUNK_BYTES

    def append(self, noted: tuple[float, ...], encode_s: float, wait_send_s: float, send_s: float) -> None:
        """Add a row, the fields of `HOP` in order: those noted before sending, and the rest.

        Request 0 begins a new run and clears the rows of the run before.
        """
        if noted[0] == 0:
            self.clear()
        at = self._end
        if at == _CHUNK_BYTES:
            self._chunk = bytearray(_CHUNK_BYTES)
            self._chunks.append(self._chunk)
            at = 0
        _pack_into(self._chunk, at, *noted, encode_s, wait_send_s, send_s)
        self._end = at + _ROW_BYTES

    def clear(self) -> None:
        """Forget all rows."""
        self._chunks.clear()
        self._end = _CHUNK_BYTES

    def take(self) -> bytes:
        """Return all rows as bytes, and clear them."""
        unused = _CHUNK_BYTES - self._end
        rows = b"".join(self._chunks)
        self.clear()
        return rows[: len(rows) - unused] if unused else rows


def rows_of(data: bytes, dtype: "np.dtype[np.void]") -> NDArray[np.void]:
    """Rows of `HOP` or `ENDPOINT` from their bytes on the wire."""
    return np.frombuffer(data, dtype)
