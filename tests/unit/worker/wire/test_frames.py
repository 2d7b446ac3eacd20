"""Frames survive any fragmentation, and nothing but what was agreed is accepted."""

import threading
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory_stream import MemoryStream, memory_pair
from worker.wire.errors import FailedError, PeerError, ProtocolError, RefusedError
from worker.wire.frames import DTYPES, HEADER_BYTES, LinkLayout, encode_notice, read_notice
from worker.wire.messages import TensorSpec

shapes = st.lists(st.integers(1, 5), max_size=4).map(tuple)
dtypes = st.sampled_from(sorted(DTYPES))
links = st.lists(st.tuples(dtypes, shapes), min_size=1, max_size=4).map(
    lambda parts: tuple(
        TensorSpec(name=f"t{index}", dtype=dtype, shape=shape) for index, (dtype, shape) in enumerate(parts)
    )
)


def delivered(data: bytes, cuts: Sequence[int] = ()) -> MemoryStream:
    """A stream on which these bytes arrive, cut into pieces, and then the end."""
    sender, receiver = memory_pair()
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, stop in zip(bounds, bounds[1:], strict=False):
        sender.send([memoryview(data)[start:stop]])
    sender.shut()
    return receiver


def read_prefix(layout: LinkLayout, stream: MemoryStream) -> int | None:
    prefix = [memoryview(layout.new_prefix())]
    return layout.read_rest(stream, prefix, stream.receive_some_into(prefix))


def read_all(layout: LinkLayout, stream: MemoryStream) -> tuple[int | None, bytes]:
    payload = bytearray(layout.payload_bytes)
    view, sizes = memoryview(payload), [tensor.payload_bytes for tensor in layout.tensors]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    tensors = [view[start : start + size] for start, size in zip(starts, sizes, strict=True)]
    buffers = [memoryview(layout.new_prefix()), *tensors]
    request = layout.read_rest(stream, buffers, stream.receive_some_into(buffers))
    return request, bytes(payload)


@given(links, st.integers(0, 2**64 - 1), st.lists(st.integers(0, 10_000), max_size=8), st.randoms())
def test_a_frame_arrives_whole_however_it_is_cut(
    tensors: tuple[TensorSpec, ...], request_id: int, cuts: list[int], random: object
) -> None:
    layout = LinkLayout(tensors)
    prefix = layout.new_prefix()
    layout.address(prefix, request_id)
    payload = bytes(index % 251 for index in range(layout.payload_bytes))
    stream = delivered(bytes(prefix) + payload + encode_notice(), cuts)

    assert read_all(layout, stream) == (request_id, payload)
    assert read_prefix(layout, stream) is None


@given(links, links)
def test_only_the_agreed_tensors_pass(agreed: tuple[TensorSpec, ...], sent: tuple[TensorSpec, ...]) -> None:
    one, other = LinkLayout(agreed), LinkLayout(sent)
    stream = delivered(bytes(other.new_prefix()) + bytes(other.payload_bytes))
    same = [(t.dtype, t.shape) for t in one.tensors] == [(t.dtype, t.shape) for t in other.tensors]
    if same:
        assert read_prefix(one, stream) == 0
    else:
        with pytest.raises(ProtocolError):
            read_prefix(one, stream)


@given(links, st.data())
def test_a_mutated_header_never_passes_as_another_frame(
    tensors: tuple[TensorSpec, ...], data: st.DataObject
) -> None:
    layout = LinkLayout(tensors)
    prefix = layout.new_prefix()
    position = data.draw(st.integers(8, len(prefix) - 1))
    prefix[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProtocolError):
        read_prefix(layout, delivered(bytes(prefix)))


@given(links, st.data())
def test_a_frame_cut_short_is_a_lost_peer(tensors: tuple[TensorSpec, ...], data: st.DataObject) -> None:
    layout = LinkLayout(tensors)
    prefix = bytes(layout.new_prefix())
    kept = data.draw(st.integers(0, len(prefix) - 1))
    with pytest.raises(PeerError, match="closed"):
        read_prefix(layout, delivered(prefix[:kept]))


@pytest.mark.parametrize(
    ("dtype", "shape", "told"),
    [
        ("object", (1,), "links carry"),
        ("float128", (1,), "links carry"),
        ("float32", (0,), "1 or more"),
        ("float32", (-1,), "1 or more"),
        ("float32", (2**32,), "1 or more"),
        ("float32", (1,) * 17, "1 or more"),
    ],
)
def test_tensors_that_no_link_carries(dtype: str, shape: tuple[int, ...], told: str) -> None:
    with pytest.raises(RefusedError, match=told):
        LinkLayout([TensorSpec(name="t", dtype=dtype, shape=shape)])


def test_a_link_carries_something_and_each_name_once() -> None:
    tensor = TensorSpec(name="t", dtype="float32", shape=(1,))
    with pytest.raises(RefusedError, match="1 to 65535"):
        LinkLayout([])
    with pytest.raises(RefusedError, match="two tensors with the same name"):
        LinkLayout([tensor, tensor])


def test_abort_says_why() -> None:
    layout = LinkLayout([TensorSpec(name="t", dtype="float32", shape=(1,))])
    notice = encode_notice(FailedError("worker b caught fire"))
    readers: list[Callable[[MemoryStream], object]] = [
        read_notice,
        lambda stream: read_prefix(layout, stream),
    ]
    for read in readers:
        with pytest.raises(PeerError, match="gave up: worker b caught fire"):
            read(delivered(notice))


@given(st.binary(max_size=60))
def test_no_bytes_crash_a_reader_of_notices(data: bytes) -> None:
    if data[:HEADER_BYTES] == encode_notice():
        read_notice(delivered(data))
    else:
        with pytest.raises(PeerError):
            read_notice(delivered(data))


def test_a_memory_stream_makes_its_sender_wait() -> None:
    sender, receiver = memory_pair()
    block = memoryview(bytes(1024 * 1024))
    sending = threading.Thread(target=sender.send, args=([block, block],))
    sending.start()
    sending.join(0.1)
    assert sending.is_alive()
    buffer = memoryview(bytearray(len(block)))
    assert receiver.receive_into(buffer) == len(block)
    sending.join(5)
    assert not sending.is_alive()
