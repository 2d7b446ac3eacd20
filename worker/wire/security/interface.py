"""The interface of all kinds of security, and the kind without any."""

from enum import IntEnum
from typing import Final, Protocol

from worker.wire.stream import ConnectionKind, SocketStream

__all__ = ["CERTIFICATE_FILE", "CONTROLLER", "IDENTITY", "OPEN", "Attempt", "Method", "Role", "Security"]


CONTROLLER: Final = "controller"
"""The controller's name, where a device would have its own."""


IDENTITY: Final = "edgecut:"
"""The beginning of the alternative name (a URI) in a certificate; the device's quoted name follows."""

CERTIFICATE_FILE: Final = "device.pem"
"""In the folder of a device's certificates: its private key and its certificate; `ca.pem` is beside it."""


class Method(IntEnum):
    """How the ends of a connection authenticate; a field of the preamble."""

    NONE = 0
    KEY = 1
    TLS = 2

    @property
    def words(self) -> str:
        """What an end with this method uses."""
        return {0: "no authentication", 1: "the lab's key", 2: "TLS with the lab's certificates"}[self]


class Role(IntEnum):
    """Which end of a connection this is."""

    OPENER = 1
    LISTENER = 2


class Attempt(Protocol):
    """One end's authentication on one connection. `hello` follows right after our preamble."""

    hello: bytes

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
        """Authenticate both ends; returns the secured stream.

        Args:
            stream: The connection, just after the other end's preamble.
            kind: What the connection is for.
            preambles: The opener's and the listener's.
            deadline_s: When it must be done, by `worker.clock.clock`.

        Raises:
            DeniedError: The other end does not prove that it belongs to the lab, or does not accept us.
            PeerError: It was lost, or is too slow.
        """


class Security(Protocol):
    """The security of one process's connections. Both ends use the same method: they negotiate nothing."""

    method: Method

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        """Begin on one connection. `expected`: the device that an opener means, if it can be checked."""


class _Open(Security, Attempt):
    """Accept every peer that reaches the port: both the security and each attempt."""

    method = Method.NONE
    hello = b""

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        return self

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
        return stream


OPEN: Final[Security] = _Open()
"""No authentication: for tests, and for workers that only this host can reach."""
