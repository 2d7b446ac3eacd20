"""A reply that cannot be true is refused where it arrives, by its type and beside its request."""

import re
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from tests.lies import lies_of, numbers_of
from worker.wire import messages
from worker.wire.control import checked_reply
from worker.wire.errors import ReplyError
from worker.wire.messages import REQUESTS, Message, Request

REPLIES = tuple(dict.fromkeys(request.reply for request in REQUESTS))


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.__name__)
def test_every_number_of_a_reply_has_bounds(reply: type[Message]) -> None:
    for where, number in numbers_of(inspect.type_info(reply)):
        low = number.ge if number.ge is not None else number.gt
        assert low is not None and number.le is not None, f"{reply.__name__}{where} has no bounds"


@pytest.mark.parametrize("request_type", REQUESTS, ids=lambda request: request.__name__)
def test_every_plain_lie_is_refused_with_the_peer_and_the_request_named(
    request_type: type[Request[Message]],
) -> None:
    """By its type alone, before it is looked at beside its request."""
    request: Any = _made(request_type)
    lies = [lie for lie in lies_of(_made(request.reply)) if lie.is_plain]
    for lie in lies:
        with pytest.raises(
            ReplyError, match=f"^pi:7100 sent an invalid reply to {request_type.__name__}: "
        ) as refused:
            checked_reply(request, lie.body, "pi:7100")
        by_type = isinstance(refused.value.__cause__, msgspec.DecodeError | UnicodeDecodeError)
        assert by_type or re.search(r": a (Done|Missing)$", str(refused.value)), lie.name
        assert "\n" not in str(refused.value), lie.name
        assert len(str(refused.value)) < messages.LONGEST_PROBLEM + 100, lie.name


def _made(kind: type[Message]) -> Message:
    made: Message = msgspec.convert(_value(inspect.type_info(kind)), kind)
    return made


def _value(info: inspect.Type) -> Any:
    """A value of a type: nothing optional is left out, and tuples have one member."""
    match info:
        case inspect.StructType():
            fields = {field.encode_name: _value(field.type) for field in info.fields}
            return fields | ({"type": info.tag} if info.tag is not None else {})
        case inspect.UnionType():
            return _value(next(one for one in info.types if not isinstance(one, inspect.NoneType)))
        case inspect.VarTupleType():
            return [_value(info.item_type)]
        case inspect.TupleType():
            return [_value(one) for one in info.item_types]
        case inspect.DictType():
            kinds = info.value_type.types if isinstance(info.value_type, inspect.UnionType) else ()
            return {f"k{i}": _value(one) for i, one in enumerate(kinds)}
        case inspect.IntType():
            return max(1, info.ge or 0)
        case inspect.FloatType():
            return max(0.5, info.ge or 0.0)
        case inspect.LiteralType():
            return info.values[0]
        case inspect.StrType():
            return "text"
        case inspect.BytesType():
            return b"bytes"
        case inspect.BoolType():
            return True
        case inspect.NoneType():
            return None
    raise AssertionError(f"no value of {info}")


_SHARD = messages.ShardRef(digest="d", bundle="b", start=0, stop=2)
_DONE = messages.RunDone(elapsed_s=1.0, counted=(2, 12), checked=10, worst_error=0.0)
_RUN = messages.Run(requests=10, warmup=2, timeout_s=5.0, duration_s=0.5)
_BASELINE = messages.Baseline(shard=_SHARD, inputs=(), requests=2, full_speed_s=1.0)
_TRIPS = messages.ProbeRoundTrips(
    probe="p", host="h", port=1, round_trips=3, at_least=2, duration_s=1.0, warmup=0
)
_TRAIN = messages.ProbeTrain(
    probe="p", host="h", port=1, train=1, datagrams=5, datagram_bytes=100, frame_bytes=142, rate_mbit=1.0
)
_TAKE = messages.TakeTrain(probe="p", train=1, datagrams=5, settle_s=0.1)
_PUSH = messages.ProbeThroughput(probe="p", host="h", port=1, duration_s=1.0)
_SAMPLE = messages.TelemetrySample(
    at_s=2.0, process_cpu_percent=0, host_cpu_percent=0, process_rss_bytes=0, host_used_bytes=0
)
_EARLIER = msgspec.structs.replace(_SAMPLE, at_s=1.0)


def _done(**changed: Any) -> messages.RunDone:
    return msgspec.structs.replace(_DONE, **changed)


@pytest.mark.parametrize(
    ("request_", "good", "bad", "fault"),
    [
        (
            _RUN,
            _DONE,
            _done(counted=(2, 11), checked=9),
            "it counts requests 2 to 11, not 10 after 2 warm-up",
        ),
        (_RUN, _DONE, _done(counted=(1, 11)), "it counts requests 1 to 11, not 10 after 2 warm-up"),
        (_RUN, _DONE, _done(counted=(12, 2), checked=0), "it counts requests 12 to 2"),
        (_RUN, _DONE, _done(checked=11), "it checked 11 of 10 requests"),
        (_RUN, _DONE, _done(elapsed_s=0.4), "it took 0.4 s, less than 0.5 s"),
        (_RUN, _DONE, _done(elapsed_s=7.0), "it took 7 s, and would have timed out after 5 s"),
        (_RUN, _DONE, _done(overloaded=True), "a closed loop cannot be overloaded"),
        (
            messages.BuildPipeline(name="n", depth=1, links=(), hops=()),
            messages.PipelineBuilt(load_s=()),
            messages.PipelineBuilt(load_s=(0.1,)),
            "1 load times, not 0",
        ),
        (
            messages.TimeStages(hops=(1,)),
            messages.StagesTimed(compute_s=(0.1,)),
            messages.StagesTimed(compute_s=()),
            "0 times, not 1",
        ),
        (
            _BASELINE,
            messages.BaselineDone(compute_s=(0.1, 0.1)),
            messages.BaselineDone(compute_s=(0.1,)),
            "1 times, not 2",
        ),
        (
            _BASELINE,
            messages.BaselineDone(compute_s=(0.1, 0.1)),
            messages.BaselineDone(compute_s=(0.1, 0.1), full_speed_s=0.1),
            "it has a time at full speed, which the request gives",
        ),
        (
            messages.SampleTelemetry(),
            messages.Telemetry(samples=(_EARLIER, _SAMPLE)),
            messages.Telemetry(samples=(_SAMPLE, _EARLIER)),
            "its samples are out of order",
        ),
        (
            messages.Have(shards=("a",)),
            messages.Missing(bundles=(), shards=("a",)),
            messages.Missing(bundles=(), shards=("b",)),
            "it names digests that the request does not have",
        ),
        (
            _TRIPS,
            messages.RoundTrips(round_trips_s=(0.1, 0.1)),
            messages.RoundTrips(round_trips_s=(0.1,)),
            "1 round trips, not 2 to 3",
        ),
        (
            _TRAIN,
            messages.TrainSent(datagrams=5, elapsed_s=0.1),
            messages.TrainSent(datagrams=4, elapsed_s=0.1),
            "4 datagrams, not 5",
        ),
        (
            _TAKE,
            messages.TrainReceived(datagrams=0, overflowed=9, elapsed_s=0.0),
            messages.TrainReceived(datagrams=6, overflowed=0, elapsed_s=0.1),
            "6 of 5 datagrams",
        ),
        (
            _PUSH,
            messages.Throughput(received_bytes=10, elapsed_s=1.0),
            messages.Throughput(received_bytes=10, elapsed_s=0.5),
            "it counted for 0.5 s, not 1 s",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_reply_that_does_not_fit_its_request_is_refused(
    request_: Request[Message], good: Message, bad: Message, fault: str
) -> None:
    assert checked_reply(request_, msgspec.msgpack.encode(good), "pi:7100") == good
    with pytest.raises(ReplyError, match=fault):
        checked_reply(request_, msgspec.msgpack.encode(bad), "pi:7100")
