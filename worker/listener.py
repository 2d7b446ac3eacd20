"""A listening port: accepts connections, exchanges preambles, and hands each on in a thread of its own."""

import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Final

from worker.wire.errors import WorkerError
from worker.wire.stream import ConnectionKind, SocketStream, exchange_preambles, listen

__all__ = ["Listener"]

_HANDSHAKE_TIMEOUT_S: Final = 5.0
_MAX_CONNECTIONS: Final = 64


class Listener:
    """Serves one port until closed.

    `serve` gets each connection after its preamble, in a thread of its own, and owns it from then on unless
    it raises. A connection that cannot say what it is, or whose serving raises, is closed, with one line to
    `log`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        kind: ConnectionKind,
        serve: Callable[[SocketStream], None],
        log: Callable[[str], None],
        *,
        option: str,
    ) -> None:
        """Listen on `host:port` (port 0: any). Raises UsageError, naming `option`: the port cannot be had."""
        self._kind = kind
        self._serve = serve
        self._log = log
        self._socket = listen(host, port, option=option)
        self.port = int(self._socket.getsockname()[1])
        self._room = threading.Semaphore(_MAX_CONNECTIONS)
        self._closed = False
        self._thread = threading.Thread(target=self._accept, name=f"{kind.name.lower()} port", daemon=True)

    def begin(self) -> None:
        """Start accepting."""
        self._thread.start()

    def close(self) -> None:
        """Stop accepting; connections that are open stay so."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _accept(self) -> None:
        while not self._closed:
            self._room.acquire()
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                self._room.release()
                if not self._closed:
                    self._log(f"port {self.port}: cannot accept ({error.strerror})")
                    # Out of descriptors, most likely: trying at once again would only burn the processor.
                    threading.Event().wait(0.2)
                continue
            peer = f"{address[0]}:{address[1]}"
            threading.Thread(
                target=self._handle, args=(connection, peer), name=f"from {peer}", daemon=True
            ).start()

    def _handle(self, connection: socket.socket, peer: str) -> None:
        try:
            stream = SocketStream(connection, peer)
        except OSError:
            # It was reset before we looked at it.
            connection.close()
            self._room.release()
            return
        try:
            exchange_preambles(stream, self._kind, timeout_s=_HANDSHAKE_TIMEOUT_S)
            self._serve(stream)
        except WorkerError as error:
            self._log(f"{self._kind.name.lower()} connection from {peer} closed: {error}")
            stream.close()
        except Exception as error:
            # One connection must not end the port; it is our own mistake, so let it be seen.
            self._log(f"{self._kind.name.lower()} connection from {peer} failed: {error!r}")
            stream.close()
            raise
        finally:
            self._room.release()
