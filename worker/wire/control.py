"""Messages on a stream, and the controller's side of a control connection."""

import struct
import time
from types import TracebackType
from typing import Any, Final, Self, TypeVar, overload

import msgspec

from worker.wire.errors import DeniedError, PeerError, ProtocolError, RequestError
from worker.wire.messages import (
    Baseline,
    BaselineDone,
    BuildPipeline,
    CheckRpc,
    Claim,
    Claimed,
    ClosePipeline,
    DeviceInfo,
    Done,
    ExpectProbe,
    Have,
    Infer,
    Inferred,
    Missing,
    OpenLinks,
    PipelineBuilt,
    ProbeRoundTrips,
    ProbeThroughput,
    ProbeTrain,
    Problem,
    PutFile,
    PutShard,
    Query,
    Records,
    Reply,
    Request,
    RoundTrips,
    Run,
    RunDone,
    SampleTelemetry,
    TakeRecords,
    TakeTrain,
    Telemetry,
    Throughput,
    TrainReceived,
    TrainSent,
)
from worker.wire.opening import open_connection
from worker.wire.security import OPEN, Security
from worker.wire.stream import ConnectionKind, Stream

__all__ = [
    "CLAIMED_LIMIT_BYTES",
    "UNCLAIMED_LIMIT_BYTES",
    "ControlConnection",
    "receive_message",
    "send_message",
]

# A message longer than this is refused before memory is taken for it.
UNCLAIMED_LIMIT_BYTES = 64 * 1024
CLAIMED_LIMIT_BYTES = 64 * 1024 * 1024

# Records of a long run are the longest reply: 80 bytes a request and hop.
_RECORDS_LIMIT_BYTES = 1024 * 1024 * 1024

# Memory for a message is taken as its bytes come: a length alone takes no more than this.
_FIRST_BYTES = 1024 * 1024

_LENGTH = struct.Struct("<I")
_T = TypeVar("_T")

_reply_decoder: Final = msgspec.msgpack.Decoder(Reply)

_EXPECTED: Final[dict[type[Any], type[Any]]] = {
    Query: DeviceInfo,
    Claim: Claimed,
    Have: Missing,
    PutShard: Done,
    PutFile: Done,
    BuildPipeline: PipelineBuilt,
    OpenLinks: Done,
    Run: RunDone,
    TakeRecords: Records,
    SampleTelemetry: Telemetry,
    ClosePipeline: Done,
    Baseline: BaselineDone,
    Infer: Inferred,
    ExpectProbe: Done,
    ProbeRoundTrips: RoundTrips,
    ProbeTrain: TrainSent,
    TakeTrain: TrainReceived,
    ProbeThroughput: Throughput,
    CheckRpc: Done,
}


def send_message(stream: Stream, message: msgspec.Struct) -> None:
    """Send one message: its length (u32, little-endian), then MessagePack."""
    body = msgspec.msgpack.encode(message)
    stream.send([memoryview(_LENGTH.pack(len(body))), memoryview(body)])


def receive_message(
    stream: Stream,
    decoder: "msgspec.msgpack.Decoder[_T]",
    *,
    limit_bytes: int,
    within_s: float | None = None,
) -> _T | None:
    """Receive one message; None when the other end closed instead.

    The stream's timeout is for the beginning of a message; `within_s` is for what comes after its length.

    Raises:
        ProtocolError: longer than `limit_bytes`, or not a message that `decoder` knows.
        PeerError: the connection broke in the middle of it, or it did not come in time.
    """
    prefix = bytearray(_LENGTH.size)
    received = stream.receive_into(memoryview(prefix))
    if received == 0:
        return None
    if received < len(prefix):
        raise PeerError(f"{stream.peer} closed the connection in the middle of a message")
    (size,) = _LENGTH.unpack(prefix)
    if size > limit_bytes:
        raise ProtocolError(f"{stream.peer} sent a message of {size} bytes; at most {limit_bytes} are taken")
    body = _receive_body(stream, size, within_s)
    try:
        return decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"{stream.peer} sent a message that cannot be read: {error}") from error


def _receive_body(stream: Stream, size: int, within_s: float | None) -> bytearray:
    deadline_s = None if within_s is None else time.monotonic() + within_s
    body = bytearray(min(size, _FIRST_BYTES))
    start = 0
    while True:
        if deadline_s is not None:
            stream.set_timeout(max(deadline_s - time.monotonic(), 0.001))
        with memoryview(body)[start:] as room:
            wanted = len(room)
            if stream.receive_into(room, begun=True) < wanted:
                raise PeerError(f"{stream.peer} closed the connection in the middle of a message")
        start = len(body)
        if start == size:
            return body
        body.extend(bytes(min(size - start, start)))


class ControlConnection:
    """A controller's connection to one worker.

    Not for several threads at once: a request is answered before the next is asked.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    @classmethod
    def open(
        cls,
        host: str,
        port: int,
        security: Security = OPEN,
        *,
        timeout_s: float = 5.0,
        expected: str | None = None,
    ) -> Self:
        """Connect to a worker's control port; `expected` is the device that must be there.

        Raises:
            PeerError: nobody answers there within `timeout_s`.
            ProtocolError: who answers is no worker, or of another protocol version.
            DeniedError: it does not belong to our lab, or takes us for somebody who does not.
        """
        try:
            return cls(
                open_connection(
                    host, port, ConnectionKind.CONTROL, security, timeout_s=timeout_s, expected=expected
                )
            )
        except (ProtocolError, DeniedError) as error:
            raise type(error)(f"worker at {error}") from error

    @property
    def peer(self) -> str:
        """The worker's `host:port`."""
        return self._stream.peer

    @overload
    def ask(self, request: Query, *, timeout_s: float | None = None) -> DeviceInfo: ...
    @overload
    def ask(self, request: Claim, *, timeout_s: float | None = None) -> Claimed: ...
    @overload
    def ask(self, request: Have, *, timeout_s: float | None = None) -> Missing: ...
    @overload
    def ask(self, request: BuildPipeline, *, timeout_s: float | None = None) -> PipelineBuilt: ...
    @overload
    def ask(self, request: Run, *, timeout_s: float | None = None) -> RunDone: ...
    @overload
    def ask(self, request: TakeRecords, *, timeout_s: float | None = None) -> Records: ...
    @overload
    def ask(self, request: SampleTelemetry, *, timeout_s: float | None = None) -> Telemetry: ...
    @overload
    def ask(self, request: Baseline, *, timeout_s: float | None = None) -> BaselineDone: ...
    @overload
    def ask(self, request: Infer, *, timeout_s: float | None = None) -> Inferred: ...
    @overload
    def ask(self, request: ProbeRoundTrips, *, timeout_s: float | None = None) -> RoundTrips: ...
    @overload
    def ask(self, request: ProbeTrain, *, timeout_s: float | None = None) -> TrainSent: ...
    @overload
    def ask(self, request: TakeTrain, *, timeout_s: float | None = None) -> TrainReceived: ...
    @overload
    def ask(self, request: ProbeThroughput, *, timeout_s: float | None = None) -> Throughput: ...
    @overload
    def ask(
        self,
        request: PutShard | PutFile | OpenLinks | ClosePipeline | ExpectProbe | CheckRpc,
        *,
        timeout_s: float | None = None,
    ) -> Done: ...
    @overload
    def ask(self, request: Request, *, timeout_s: float | None = None) -> Reply: ...

    def ask(self, request: Request, *, timeout_s: float | None = None) -> Reply:
        """Ask, and wait for the reply (None: for ever, while the connection lives).

        Raises:
            RequestError: the worker answered with a `Problem`; the connection can be used further.
            PeerError: the worker was lost, or silent for `timeout_s`; the connection is of no more use.
            ProtocolError: the reply is not one to this request.
        """
        self._stream.set_timeout(timeout_s)
        send_message(self._stream, request)
        reply = receive_message(self._stream, _reply_decoder, limit_bytes=_reply_limit_bytes(request))
        if reply is None:
            raise PeerError(f"worker at {self.peer} closed the connection: has it stopped?")
        if isinstance(reply, Problem):
            raise RequestError(reply, self.peer)
        if not isinstance(reply, _EXPECTED[type(request)]):
            raise ProtocolError(
                f"worker at {self.peer} answered {type(request).__name__} with {type(reply).__name__}"
            )
        return reply  # type: ignore[no-any-return]

    def interrupt(self) -> None:
        """End the connection from another thread: an `ask` in progress raises PeerError."""
        self._stream.shut()

    def close(self) -> None:
        """Close the connection; a worker that was claimed on it is free again."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _reply_limit_bytes(request: Request) -> int:
    """How long a reply may be: who is only asked who it is may answer with little."""
    if isinstance(request, TakeRecords):
        return _RECORDS_LIMIT_BYTES
    return UNCLAIMED_LIMIT_BYTES if isinstance(request, Query) else CLAIMED_LIMIT_BYTES
