"""What goes through a codec comes out as promised; what cannot goes as it is; garbage is refused."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from tests.memory_stream import memory_pair
from worker.wire.codecs import Codec, Decoder, EncodedPayload, Encoder, TensorForm, make_coder, parse_codec
from worker.wire.codecs import names as codec_names
from worker.wire.errors import PeerError, ProtocolError, RefusedError
from worker.wire.frames import DTYPES

NAMES = ["fp16", "uint8", "lz4", "zstd:1", "zstd:9", "uint8+zstd:1", "zfp:0.01", "zfp:10"]
SHAPES = st.lists(st.integers(1, 9), max_size=4).map(tuple)
codecs = st.sampled_from(NAMES).map(parse_codec)
floats = st.sampled_from([np.float32, np.float64, np.float16])


def through(codec: Codec, array: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], EncodedPayload]:
    """The tensor after a link of that codec, and what was sent."""
    forms = [(array.shape, array.dtype)]
    encoder, decoder = Encoder(forms, codec), Decoder(forms, codec)
    payload = encoder.new_payload()
    encoder.encode([array], payload)
    sender, receiver = memory_pair()
    sender.send(payload.buffers)
    arrived = np.full(array.shape, 77, array.dtype)
    decoder.receive(receiver, [arrived])
    decoder.decode([arrived])
    return arrived, payload


def promised_error(codec: Codec, array: np.ndarray[Any, Any]) -> Any:
    """The largest error that a codec may make, by value (docs/codecs.md)."""
    values = np.abs(array.astype(np.float64))
    eps = float(np.finfo(array.dtype).eps)
    low, high = float(array.min()), float(array.max())
    if codec.family == "fp16":
        return values / 2048 + 2.0**-25
    if codec.family == "zfp":
        return np.full(array.shape, codec.tolerance + 4 * eps * values.max())
    # Half a step, and what the type itself rounds.
    return np.full(array.shape, (high - low) / 510 * (1 + 1e-4) + 4 * eps * values.max())


@settings(max_examples=400)
@given(codecs, st.data())
def test_finite_floats_come_out_within_what_the_codec_promises(codec: Codec, data: st.DataObject) -> None:
    dtype = data.draw(floats)
    limit = {np.float16: 60000.0, np.float32: 2.0**100, np.float64: 2.0**500}[dtype]
    limit = data.draw(st.sampled_from([1.0, 50.0, limit]))
    width = np.dtype(dtype).itemsize * 8
    elements = st.floats(-limit, limit, width=width)  # type: ignore[arg-type]
    array = data.draw(npst.arrays(dtype, SHAPES, elements=elements))

    arrived, payload = through(codec, array)

    assert payload.encoded_bytes <= array.nbytes
    if codec.lossless or payload.sent_raw:
        assert arrived.tobytes() == array.tobytes()
    else:
        error = np.abs(arrived.astype(np.float64) - array.astype(np.float64))
        assert (error <= promised_error(codec, array)).all()


@given(codecs, st.sampled_from(sorted(set(DTYPES) - {"float16", "float32", "float64"})), st.data())
def test_integers_and_bools_are_never_changed(codec: Codec, dtype: str, data: st.DataObject) -> None:
    array = data.draw(npst.arrays(dtype, SHAPES))
    arrived, payload = through(codec, array)
    assert arrived.tobytes() == array.tobytes()
    if not codec.lossless:
        # It does not even try: the tensor is not counted among those that were too hard.
        assert (payload.encoded_bytes, payload.sent_raw) == (array.nbytes, 0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nan_and_infinity_arrive_as_they_were(name: str, bad: float, dtype: str) -> None:
    array = np.linspace(-1, 1, 4096).astype(dtype)
    array[[0, 17, 4095]] = bad
    arrived, payload = through(parse_codec(name), array)
    assert np.array_equal(arrived, array, equal_nan=True)
    assert payload.sent_raw or parse_codec(name).lossless


@pytest.mark.parametrize(("value", "raw"), [(65504.0, 0), (65505.0, 1), (-1e6, 1), (1e-9, 0)])
def test_what_fp16_cannot_hold_goes_raw_and_is_not_clipped(value: float, raw: int) -> None:
    array = np.array([value, 1.0, 2.0, 3.0], np.float32)
    arrived, payload = through(parse_codec("fp16"), array)
    assert payload.sent_raw == raw
    assert payload.encoded_bytes == (16 if raw else 8)
    assert arrived == pytest.approx(array, rel=1 / 2048, abs=2**-25)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0.0, -3.25, 1e-40, 3.4e38])
def test_constant_tensors(name: str, value: float) -> None:
    codec = parse_codec(name)
    array = np.full((3, 40, 7), value, np.float32)
    arrived, payload = through(codec, array)
    error = np.abs(arrived.astype(np.float64) - array)
    assert payload.sent_raw or codec.lossless or (error <= promised_error(codec, array)).all()
    if codec.family in ("uint8", "uint8+zstd") and not payload.sent_raw:
        assert arrived.tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["none", *NAMES])
def test_empty_tensors_pass(name: str) -> None:
    arrived, payload = through(parse_codec(name), np.zeros((0, 4), np.float32))
    assert arrived.shape == (0, 4)
    assert payload.encoded_bytes == 0


@pytest.mark.parametrize("name", ["lz4", "zstd", "zfp:1e-9"])
def test_what_would_become_longer_is_sent_as_it_is_and_said_so(name: str) -> None:
    noise = np.random.default_rng(0).integers(0, 2**32, 5000, dtype=np.uint32)
    array = (noise & 0x3FFFFFFF).view(np.float32)
    arrived, payload = through(parse_codec(name), array)
    assert payload.sent_raw == 1
    assert payload.encoded_bytes == array.nbytes
    assert arrived.tobytes() == array.tobytes()


@pytest.mark.parametrize("name", ["uint8", "zstd"])
def test_a_tensor_of_one_value_is_not_blown_up(name: str) -> None:
    _, payload = through(parse_codec(name), np.ones((1,), np.float32))
    assert (payload.encoded_bytes, payload.sent_raw) == (4, 1)


def test_the_codecs_shrink_what_they_are_made_for() -> None:
    array = np.maximum(np.random.default_rng(0).standard_normal((1, 64, 56, 56)), 0).astype(np.float32)
    sizes = {name: through(parse_codec(name), array)[1].encoded_bytes / array.nbytes for name in NAMES}
    assert sizes["fp16"] == 0.5
    assert sizes["uint8"] == pytest.approx(0.25, abs=1e-4)
    assert sizes["uint8+zstd:1"] < 0.2
    assert sizes["lz4"] < 0.75
    assert sizes["zfp:0.01"] < 0.45


def test_memory_is_reused_from_one_request_to_the_next() -> None:
    forms: list[TensorForm] = [((64,), np.dtype(np.float32)), ((4,), np.dtype(np.int64))]
    codec = parse_codec("uint8")
    encoder, decoder = Encoder(forms, codec), Decoder(forms, codec)
    payload = encoder.new_payload()
    arrived = [np.zeros(shape, dtype) for shape, dtype in forms]
    for request in range(3):
        tensors: list[np.ndarray[Any, Any]] = [
            np.linspace(0, request, 64, dtype=np.float32),
            np.arange(4) + request,
        ]
        encoder.encode(tensors, payload)
        sender, receiver = memory_pair()
        sender.send(payload.buffers)
        decoder.receive(receiver, arrived)
        decoder.decode(arrived)
        assert arrived[0] == pytest.approx(tensors[0], abs=0.01)
        assert arrived[1].tolist() == tensors[1].tolist()


@settings(max_examples=400)
@given(st.sampled_from(["none", *NAMES]), st.sampled_from(["float32", "int64"]), st.binary(max_size=900))
def test_garbage_is_refused_or_decoded_but_never_more(name: str, dtype: str, garbage: bytes) -> None:
    forms = [((5, 11), np.dtype(dtype))]
    arrived = np.zeros((5, 11), dtype)
    decoder = Decoder(forms, parse_codec(name))
    size = np.array([len(garbage)], "<u8")
    sender, receiver = memory_pair()
    sender.send([memoryview(size.tobytes()), memoryview(garbage)])
    sender.shut()
    try:
        decoder.receive(receiver, [arrived])
        decoder.decode([arrived])
    except PeerError:
        return
    assert len(garbage) <= arrived.nbytes


@pytest.mark.parametrize("size", [0, 221, 2**63])
def test_lengths_beyond_what_was_agreed_are_refused_before_anything_is_read(size: int) -> None:
    decoder = Decoder([((5, 11), np.dtype(np.float32))], parse_codec("zstd"))
    sender, receiver = memory_pair()
    sender.send([memoryview(np.array([size], "<u8").tobytes())])
    with pytest.raises(ProtocolError, match=f"sent a tensor of {size} bytes where the link allows 220"):
        decoder.receive(receiver, [np.zeros((5, 11), np.float32)])


def test_a_quantized_tensor_with_a_scale_of_nan_is_refused() -> None:
    coder = make_coder(parse_codec("uint8"), (64,), np.dtype(np.float32))
    assert coder is not None
    room = np.zeros(coder.room_bytes, np.uint8)
    room[:16] = np.frombuffer(np.array([0.0, math.nan]).tobytes(), np.uint8)
    with pytest.raises(ProtocolError, match="scale is not a number"):
        coder.decode(room, coder.room_bytes, np.zeros(64, np.float32))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gzip", "unknown codec 'gzip'; known: none, fp16, uint8, lz4, zstd"),
        ("", "unknown codec ''"),
        ("zfp", "the tolerance is not a number"),
        ("zfp:tight", "the tolerance is not a number"),
        ("zfp:0", "the tolerance must be above 0"),
        ("zfp:-1", "the tolerance must be above 0"),
        ("zfp:nan", "the tolerance must be above 0"),
        ("zfp:inf", "the tolerance must be above 0"),
        ("zstd:23", "a whole number from 1 to 22"),
        ("zstd:", "a whole number from 1 to 22"),
        ("uint8+zstd:fast", "a whole number from 1 to 22"),
        ("fp16:2", "fp16 takes no parameter"),
        ("none:1", "none takes no parameter"),
    ],
)
def test_wrong_names_are_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(RefusedError, match=told) as caught:
        parse_codec(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("zstd", "zstd:1"),
        ("zfp:1e-2", "zfp:0.01"),
        ("zfp:10", "zfp:10"),
        ("none", "none"),
        ("uint8", "uint8"),
    ],
)
def test_equal_codecs_have_one_name(text: str, name: str) -> None:
    assert parse_codec(text).name == name
    assert parse_codec(name) == parse_codec(text)


def test_a_device_without_the_packages_says_what_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec_names, "find_spec", lambda _name: None)
    codec_names.available_codecs.cache_clear()
    try:
        assert codec_names.available_codecs() == ("none", "fp16", "uint8")
        with pytest.raises(RefusedError, match="this device lacks codec zfp, which needs the package zfpy"):
            Encoder([((4,), np.dtype(np.float32))], parse_codec("zfp:0.1"))
    finally:
        codec_names.available_codecs.cache_clear()
