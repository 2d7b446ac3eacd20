"""Frames of zstd: ours pass, whatever their level and size; those that want more memory do not."""

import cramjam
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.wire.codecs import make_coder, parse_codec
from worker.wire.codecs.zstd_frame import is_one_frame_of
from worker.wire.errors import ProtocolError


def framed(size: int, level: int = 1) -> "np.ndarray[tuple[int], np.dtype[np.uint8]]":
    data = np.random.default_rng(size).integers(0, 40, size).astype(np.uint8)
    return np.frombuffer(bytes(cramjam.zstd.compress(data.tobytes(), level=level)), np.uint8)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3_000_000), st.sampled_from([1, 3, 9, 19, 22]))
def test_what_we_encode_passes(size: int, level: int) -> None:
    coder = make_coder(parse_codec(f"zstd:{level}"), (size,), np.dtype("uint8"))
    assert coder is not None
    array = np.random.default_rng(size).integers(0, 40, size).astype(np.uint8)
    room = np.zeros(coder.room_bytes, np.uint8)
    encoded = coder.encode(array, room)
    assert encoded is not None
    back = np.zeros_like(array)
    coder.decode(room, encoded, back)
    assert np.array_equal(back, array)
    assert not is_one_frame_of(room[:encoded], size + 1)
    assert not is_one_frame_of(room[: encoded - 1], size)


BOMB = b"\x28\xb5\x2f\xfd" + bytes([0x00, (27 - 10) << 3])
BLOCK = b"\x01\x00\x00"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x28\xb5\x2f\xfd",
        BOMB + BLOCK,
        # A window of 128 MB for the right size.
        b"\x28\xb5\x2f\xfd" + bytes([0x80, (27 - 10) << 3]) + (100_000).to_bytes(4, "little") + BLOCK,
        # A skippable frame before, a second frame after, a dictionary.
        b"\x50\x2a\x4d\x18\x00\x00\x00\x00" + bytes(framed(100_000)),
        bytes(framed(100_000)) + BOMB + BLOCK,
        b"\x28\xb5\x2f\xfd" + bytes([0xA1, 7]) + (100_000).to_bytes(4, "little") + BLOCK,
        # A block longer than blocks are, and one of a kind that is none.
        b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + (100_000).to_bytes(4, "little") + b"\xff\xff\xff" + bytes(9),
        b"\x28\xb5\x2f\xfd" + bytes([0xA0]) + (100_000).to_bytes(4, "little") + b"\x07\x00\x00",
    ],
)
def test_what_is_none_of_ours_is_not_given_to_the_library(data: bytes) -> None:
    coder = make_coder(parse_codec("zstd"), (100_000,), np.dtype("uint8"))
    assert coder is not None
    room = np.zeros(coder.room_bytes, np.uint8)
    room[: len(data)] = np.frombuffer(data, np.uint8)
    with pytest.raises(ProtocolError, match="cannot be decoded"):
        coder.decode(room, len(data), np.zeros(100_000, np.uint8))
