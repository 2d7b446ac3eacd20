"""The throughput of one TCP connection over a link."""

import contextlib
import threading
from typing import Final

import msgspec

from worker.clock import clock
from worker.wire.control import UNCLAIMED_LIMIT_BYTES, receive_message, send_message
from worker.wire.errors import PeerError, RefusedError
from worker.wire.joining import ask_to_join, open_data_connection
from worker.wire.messages import JoinProbe, ProbeThroughput, Throughput
from worker.wire.security import OPEN, Security
from worker.wire.stream import SocketStream

__all__ = ["check_duration", "send_throughput", "serve_throughput"]

_MAX_DURATION_S: Final = 60.0
_CHUNK_BYTES: Final = 256 * 1024
# Beyond the duration itself: for the first bytes to arrive and the answer to return.
_ANSWER_TIMEOUT_S: Final = 30.0

_decoder: "Final[msgspec.msgpack.Decoder[Throughput]]" = msgspec.msgpack.Decoder(Throughput)


def send_throughput(request: ProbeThroughput, sender: str, security: Security = OPEN) -> Throughput:
    """Send as fast as possible until the receiver reports its count.

    Raises:
        RefusedError: the duration is out of range.
        PeerError: the receiver cannot be reached, does not expect this probe, or was lost.
    """
    check_duration(request.duration_s)
    join = JoinProbe(probe=request.probe, kind="throughput", sender=sender, duration_s=request.duration_s)
    stream = open_data_connection(request.host, request.port, security, expected=request.receiver)
    pusher = threading.Thread(target=_push, args=(stream,), name="throughput probe", daemon=True)
    try:
        ask_to_join(stream, join, "a probe")
        stream.set_timeout(request.duration_s + _ANSWER_TIMEOUT_S)
        pusher.start()
        seen = receive_message(stream, _decoder, limit_bytes=UNCLAIMED_LIMIT_BYTES)
        if seen is None:
            raise PeerError(f"{stream.peer} ended the probe")
        return seen
    finally:
        stream.shut()
        if pusher.ident is not None:
            pusher.join()
        # A slow link would take minutes to carry what is queued, and the next probe would wait behind it.
        stream.drop()


def _push(stream: SocketStream) -> None:
    chunk = memoryview(bytes(_CHUNK_BYTES))
    try:
        while True:
            stream.send([chunk])
    except PeerError:
        return


def serve_throughput(stream: SocketStream, duration_s: float) -> None:
    """Count bytes for `duration_s`, and report to the other end, which then closes.

    Raises:
        PeerError: it was lost, or sends nothing.
    """
    stream.set_timeout(duration_s + _ANSWER_TIMEOUT_S)
    buffer = memoryview(bytearray(_CHUNK_BYTES))
    received_bytes = 0
    stream.receive_some(buffer)
    began_s = last_s = clock()
    while last_s - began_s < duration_s:
        count = stream.receive_some(buffer)
        if count == 0:
            raise PeerError(f"{stream.peer} ended the probe")
        received_bytes += count
        last_s = clock()
    send_message(stream, Throughput(received_bytes=received_bytes, elapsed_s=last_s - began_s))
    # Closing first would discard the answer along with the bytes still in flight.
    with contextlib.suppress(PeerError):
        while stream.receive_some(buffer):
            pass


def check_duration(duration_s: float) -> None:
    """Raise RefusedError: the duration is out of range."""
    if not 0 < duration_s <= _MAX_DURATION_S:
        raise RefusedError(f"cannot send for {duration_s} s (above 0, at most {_MAX_DURATION_S:g})")
