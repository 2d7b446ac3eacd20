"""Messages survive any fragmentation; anything else is a ProtocolError, never a crash."""

import struct
from collections.abc import Sequence
from functools import reduce
from operator import or_

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.memory_stream import MemoryStream, memory_pair
from worker.wire import messages
from worker.wire.control import checked_reply, receive_message, send_message
from worker.wire.errors import FailedError, PeerError, ProtocolError, ReplyError, RequestError

_decoder: "msgspec.msgpack.Decoder[messages.Message]" = msgspec.msgpack.Decoder(
    reduce(or_, [*messages.REQUESTS, messages.Problem])
)

texts = st.text(max_size=20)
counts = st.integers(0, 2**40)
tensors = st.builds(
    messages.TensorSpec, name=texts, dtype=texts, shape=st.lists(counts, max_size=5).map(tuple)
)
shards = st.builds(messages.ShardRef, digest=texts, bundle=texts, start=counts, stop=counts)
numbers = st.floats(allow_nan=False)
planted = st.builds(
    messages.PlantedTime,
    seconds=numbers,
    how=st.sampled_from(["sleep", "spin"]),
    modes=st.lists(st.tuples(numbers, numbers), max_size=3).map(tuple),
    stall_every=counts,
    stall_s=numbers,
    phases=st.lists(
        st.builds(
            messages.PlantedPhase,
            unit=st.sampled_from(["requests", "seconds"]),
            start=numbers,
            stop=numbers,
            factor=numbers,
        ),
        max_size=2,
    ).map(tuple),
    seed=counts,
)
hops = st.builds(messages.HopSpec, shard=shards, inlet=texts, outlet=texts, planted=st.none() | planted)
some = st.one_of(
    st.builds(messages.Query),
    st.builds(messages.Claim, holder=texts),
    st.builds(messages.PutShard, digest=texts, graph=st.binary(max_size=100)),
    st.builds(messages.Run, requests=counts, warmup=counts, timeout_s=st.floats(0, 1e9)),
    st.builds(
        messages.Infer,
        shard=shards,
        inputs=st.lists(tensors, max_size=3).map(tuple),
        data=st.lists(st.binary(max_size=20), max_size=3).map(tuple),
        threads=counts,
    ),
    st.builds(
        messages.BuildPipeline,
        name=texts,
        depth=counts,
        links=st.just(()),
        hops=st.lists(hops, max_size=2).map(tuple),
    ),
    st.builds(messages.Problem, kind=st.sampled_from(["busy", "peer"]), text=texts),
)


def delivered(data: bytes, cuts: Sequence[int] = ()) -> MemoryStream:
    sender, receiver = memory_pair()
    bounds = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, stop in zip(bounds, bounds[1:], strict=False):
        sender.send([memoryview(data)[start:stop]])
    sender.shut()
    return receiver


def encoded(message: msgspec.Struct) -> bytes:
    sender, receiver = memory_pair()
    send_message(sender, message)
    sender.shut()
    buffer = bytearray(100_000)
    return bytes(buffer[: receiver.receive_into(memoryview(buffer))])


@given(st.lists(some, min_size=1, max_size=3), st.lists(st.integers(0, 10_000), max_size=10))
def test_messages_arrive_whole_however_they_are_cut(sent: list[msgspec.Struct], cuts: list[int]) -> None:
    stream = delivered(b"".join(map(encoded, sent)), cuts)
    received = [receive_message(stream, _decoder, limit_bytes=10_000) for _ in sent]
    assert received == sent
    assert receive_message(stream, _decoder, limit_bytes=10_000) is None


@given(st.binary(max_size=200))
def test_no_bytes_crash_a_reader(data: bytes) -> None:
    stream = delivered(struct.pack("<I", len(data)) + data)
    try:
        receive_message(stream, _decoder, limit_bytes=10_000)
    except ProtocolError as error:
        assert "\n" not in str(error)


@given(some, st.data())
def test_a_message_cut_short_is_a_lost_peer(message: msgspec.Struct, data: st.DataObject) -> None:
    whole = encoded(message)
    kept = data.draw(st.integers(1, len(whole) - 1))
    with pytest.raises(PeerError, match="in the middle of a message"):
        receive_message(delivered(whole[:kept]), _decoder, limit_bytes=10_000)


def test_a_message_may_not_be_longer_than_the_limit() -> None:
    with pytest.raises(ProtocolError, match="of 4294967295 bytes; at most 100 are accepted"):
        receive_message(delivered(b"\xff" * 8), _decoder, limit_bytes=100)


def test_unknown_fields_are_refused() -> None:
    body = msgspec.msgpack.encode({"type": "Claim", "holder": "me", "admin": True})
    with pytest.raises(ProtocolError, match="admin"):
        receive_message(delivered(struct.pack("<I", len(body)) + body), _decoder, limit_bytes=1000)


def test_a_request_declares_its_reply() -> None:
    assert messages.Run.reply is messages.RunDone
    assert messages.TakeTrain.reply is messages.TrainReceived
    done = messages.RunDone(elapsed_s=1.0, counted=(1, 3), checked=2, worst_error=0.0)
    assert checked_reply(messages.Run(requests=2), msgspec.msgpack.encode(done), "pi:7100") == done


def test_a_reply_of_another_type_is_refused() -> None:
    with pytest.raises(ReplyError, match="pi:7100 sent an invalid reply to Run: a Done"):
        checked_reply(messages.Run(requests=2), msgspec.msgpack.encode(messages.Done()), "pi:7100")


def test_a_problem_is_a_request_error() -> None:
    problem = messages.Problem(kind="busy", text="held by me")
    with pytest.raises(RequestError, match="pi:7100: held by me") as caught:
        checked_reply(messages.Query(), msgspec.msgpack.encode(problem), "pi:7100")
    assert caught.value.problem() == problem


def test_a_long_problem_is_cut_to_what_a_controller_accepts() -> None:
    problem = FailedError("no such operator " * 1000).problem()
    with pytest.raises(RequestError, match=r"^pi:7100: no such operator no such .*\.\.\.$"):
        checked_reply(messages.Query(), msgspec.msgpack.encode(problem), "pi:7100")
