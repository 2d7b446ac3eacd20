"""A control port that hands on to a worker's, and lies in some of its replies."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec

from tests.lies import Lie, lies_of
from worker.wire.control import reply_decoder

__all__ = ["LyingProxy"]

_PREAMBLE_BYTES = 16
_ONCE = ("Baseline", "TimeSentinel", "TimeStages", "Query", "ProbeRoundTrips")
_LENGTH = struct.Struct("<I")


class LyingProxy:
    """Listens on a free port of 127.0.0.1 while entered.

    Tells one lie at most from one `BuildPipeline` to the next, and then none for as long; but what is asked
    for once in a block, or without a pipeline, is lied about at once.

    Attributes:
        left: What is still to be lied about: the request's type, and which of its lies.
        told: The lies that it has told.
    """

    def __init__(self, port: int, wanted: Sequence[tuple[str, Callable[[Lie], bool]]]) -> None:
        """`port`: that of a worker without a key."""
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.left, self.told = list(wanted), list[Lie]()
        self._may_lie = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, EOFError), client, socket.create_connection(self._to) as worker:
            worker.sendall(_exactly(client, _PREAMBLE_BYTES))
            client.sendall(_exactly(worker, _PREAMBLE_BYTES))
            while True:
                request = _message(client)
                worker.sendall(_LENGTH.pack(len(request)) + request)
                reply = self._reply(msgspec.msgpack.decode(request), _message(worker))
                client.sendall(_LENGTH.pack(len(reply)) + reply)

    def _reply(self, request: Any, body: bytes) -> bytes:
        kind = request["type"]
        if kind == "BuildPipeline":
            # After a lie comes an honest trial.
            self._may_lie = not self._may_lie
        for position, (wanted, is_it) in enumerate(self.left):
            if wanted == kind and (self._may_lie or kind in _ONCE):
                lie = next(lie for lie in lies_of(reply_decoder.decode(body)) if is_it(lie))
                del self.left[position]
                self.told.append(lie)
                self._may_lie = self._may_lie and kind in _ONCE
                return lie.body
        return body


def _message(source: socket.socket) -> bytes:
    (size,) = _LENGTH.unpack(_exactly(source, _LENGTH.size))
    return _exactly(source, size)


def _exactly(source: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = source.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)
