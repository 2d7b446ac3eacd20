"""A listening port: accept connections, authenticate each, and serve it in its own thread."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from worker.access.admission import Admission
from worker.wire.errors import WorkerError
from worker.wire.opening import refuse, shake_hands
from worker.wire.security import OPEN, Method, Role, Security
from worker.wire.stream import ConnectionKind, SocketStream, listen

__all__ = ["Listener"]

_HANDSHAKE_TIMEOUT_S: Final = 5.0
_MAX_CONNECTIONS: Final = 64


class Listener:
    """Serve one port until closed.

    `serve` gets each authenticated connection in its own thread, and owns it from then on unless it raises.
    The listener closes a connection that does not authenticate in time, or whose `serve` raises, and logs one
    line.
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
        security: Security = OPEN,
        admission: Admission | None = None,
    ) -> None:
        """Listen on `host:port` (port 0: any). Raises UsageError, naming `option`: the port is not available.

        Ports of one process share an `admission`.
        """
        self._security = security
        self._admission = admission or Admission(limits=security.method is not Method.NONE, log=log)
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
        """Stop accepting; open connections stay open."""
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _accept(self) -> None:
        while not self._closed:
            try:
                connection, address = self._socket.accept()
            except OSError as error:
                if not self._closed:
                    self._log(f"port {self.port}: cannot accept ({error.strerror})")
                    # Probably out of descriptors: an immediate retry would only burn the processor.
                    time.sleep(0.2)
                continue
            if not self._admission.may_try(address[0]):
                refuse(connection, self._kind)
                continue
            peer = f"{address[0]}:{address[1]}"
            try:
                stream = SocketStream(connection, peer)
            except OSError:
                # The peer has reset it already.
                connection.close()
                continue
            self._admission.begin(stream)
            handling = threading.Thread(
                target=self._handle, args=(stream, address[0]), name=f"from {peer}", daemon=True
            )
            try:
                handling.start()
            except (RuntimeError, MemoryError) as error:
                # No memory for a thread now; the port must survive that.
                self._admission.end(stream)
                stream.close()
                self._log(f"port {self.port}: cannot serve {peer} ({error})")

    def _handle(self, stream: SocketStream, host: str) -> None:
        secured: SocketStream | None = None
        try:
            secured = shake_hands(
                stream, self._kind, Role.LISTENER, self._security, timeout_s=_HANDSHAKE_TIMEOUT_S
            )
        except WorkerError as error:
            self._admission.failed(host)
            self._log(f"{self._kind.name.lower()} connection from {stream.peer} denied: {error}")
        finally:
            self._admission.end(stream)
            if secured is None:
                stream.close()
        if secured is not None:
            self._hand_on(secured)

    def _hand_on(self, stream: SocketStream) -> None:
        peer = stream.peer
        if not self._room.acquire(blocking=False):
            self._log(f"{self._kind.name.lower()} connection from {peer} closed: {_MAX_CONNECTIONS} are open")
            stream.close()
            return
        try:
            self._serve(stream)
        except WorkerError as error:
            self._log(f"{self._kind.name.lower()} connection from {peer} closed: {error}")
            stream.close()
        except Exception as error:
            # A bug of ours must not end the port, but must be visible.
            self._log(f"{self._kind.name.lower()} connection from {peer} failed: {error!r}")
            stream.close()
            raise
        finally:
            self._room.release()
