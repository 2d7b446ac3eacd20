"""What all kinds of security have in common, and the kind that has none."""

from enum import IntEnum
from typing import Final, Protocol

from worker.wire.stream import ConnectionKind, SocketStream

__all__ = ["CERTIFICATE_FILE", "CONTROLLER", "IDENTITY", "OPEN", "Attempt", "Method", "Role", "Security"]


CONTROLLER: Final = "controller"
"""What the controller is called where devices have their names."""


IDENTITY: Final = "edgecut:"
"""What the alternative name (a URI) in a certificate begins with; the device's name follows, quoted."""

CERTIFICATE_FILE: Final = "device.pem"
"""In the folder of a device's certificates: its private key and its certificate; `ca.pem` is beside it."""


class Method(IntEnum):
    """How the ends of a connection prove themselves; the fifth field of the preamble."""

    NONE = 0
    KEY = 1
    TLS = 2

    @property
    def requirement(self) -> str:
        """What an end with this method wants of the other one."""
        return {0: "nothing", 1: "the lab's key", 2: "TLS with a certificate of the lab"}[self]


class Role(IntEnum):
    """Which end of a connection this is."""

    OPENER = 1
    LISTENER = 2


class Attempt(Protocol):
    """One end's part on one connection. `hello` is sent right behind our preamble."""

    hello: bytes

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
        """Prove ourselves and have the other end do so; returns the stream to go on with.

        Args:
            stream: The connection; of the other end's bytes the preamble alone was read.
            kind: What it is for.
            preambles: That of the opener and that of the listener.
            deadline_s: By `worker.clock.clock`; when all of it must be done.

        Raises:
            DeniedError: The other end cannot prove that it belongs to the lab, or does not believe us.
            PeerError: It was lost, or is too slow.
        """


class Security(Protocol):
    """How connections of one process are secured. Both ends use the same method: nothing is negotiated."""

    method: Method

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        """Begin on one connection. `expected`: which device an opener means, where that can be told."""


class _OpenAttempt:
    hello = b""

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
        return stream


class _Open:
    """Anybody who reaches the port is believed."""

    method = Method.NONE

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        """See `Security.attempt`."""
        return _OpenAttempt()


OPEN: Final[Security] = _Open()
"""No proof at all: for tests, and for workers that only this host can reach."""
