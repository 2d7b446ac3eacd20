"""The protocol: messages on control connections, frames on data connections, and what carries them."""

from worker.wire.control import ControlConnection
from worker.wire.errors import (
    BusyError,
    FailedError,
    MismatchError,
    MissingError,
    PeerError,
    ProtocolError,
    RefusedError,
    RequestError,
    UsageError,
    WorkerError,
)
from worker.wire.stream import SocketStream, Stream

__all__ = [
    "BusyError",
    "ControlConnection",
    "FailedError",
    "MismatchError",
    "MissingError",
    "PeerError",
    "ProtocolError",
    "RefusedError",
    "RequestError",
    "SocketStream",
    "Stream",
    "UsageError",
    "WorkerError",
]
