"""TLS 1.3 with certificates of the lab's own authority at both ends, in place of the key."""

import ssl
import urllib.parse
from pathlib import Path
from typing import Final

from worker.clock import clock
from worker.wire.errors import DeniedError, PeerError, UsageError
from worker.wire.security.interface import CERTIFICATE_FILE, CONTROLLER, IDENTITY, Attempt, Method, Role
from worker.wire.security.tls_stream import TlsStream
from worker.wire.stream import PREAMBLE_BYTES, ConnectionKind, SocketStream

__all__ = ["TlsSecurity"]


class TlsSecurity:
    """Guards all of a connection, and tells which device is at its other end.

    A worker takes control connections of the controller alone, and of its own host: the private key of one
    device is not enough to drive another.
    """

    method = Method.TLS

    def __init__(self, folder: Path, name: str) -> None:
        """Read the certificates in `folder`; `name` is who we are.

        Raises:
            UsageError: One of them is missing or is not what it should be.
        """
        self.name: Final = name
        self._contexts = {role: _context(folder, role) for role in Role}

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        """See `Security.attempt`."""
        return _TlsAttempt(self._contexts[role], role, self.name, expected)


def _context(folder: Path, role: Role) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if role is Role.OPENER else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # Who it is, is in a name of our own and not in the host's, which may be an address behind a router.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if role is Role.LISTENER:
        # Nobody resumes a session, and tickets that nobody reads would turn an orderly close into a reset.
        context.num_tickets = 0
    path = folder
    try:
        path = folder / "ca.pem"
        context.load_verify_locations(cafile=path)
        path = folder / CERTIFICATE_FILE
        context.load_cert_chain(path)
    except OSError as error:
        # OpenSSL's are OSErrors too.
        why = error.strerror or str(error)
        raise UsageError(f"{path} cannot be used ({why}): ansible/deploy.yml makes it") from error
    return context


class _TlsAttempt:
    hello = b""

    def __init__(self, context: ssl.SSLContext, role: Role, name: str, expected: str | None) -> None:
        self._context = context
        self._role = role
        self._name = name
        self._expected = expected

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
        """See `Attempt.finish`."""
        try:
            secured = TlsStream.around(stream, self._context, is_listener=self._role is Role.LISTENER)
            secured.set_timeout(_left_s(stream, deadline_s))
            secured.shake_hands()
            secured.identity = self._check_identity(secured, kind)
            self._confirm(secured, preambles, deadline_s)
        except ssl.SSLCertVerificationError as error:
            raise DeniedError(
                f"{stream.peer} has no certificate of this lab ({error.verify_message})"
            ) from error
        except ssl.SSLError as error:
            reason = (error.reason or str(error)).lower().replace("_", " ")
            raise DeniedError(f"{stream.peer} cannot agree on TLS ({reason})") from error
        return secured

    def _check_identity(self, stream: TlsStream, kind: ConnectionKind) -> str:
        names = [
            urllib.parse.unquote(value.removeprefix(IDENTITY))
            for form, value in stream.certificate_names()
            if form == "URI" and value.startswith(IDENTITY)
        ]
        if len(names) != 1:
            raise DeniedError(f"{stream.peer} has a certificate that names no device of a lab")
        name = names[0]
        if self._expected is not None and name != self._expected:
            raise DeniedError(f"{stream.peer} is {name!r} by its certificate, not {self._expected!r}")
        may_control = (CONTROLLER, self._name)
        if self._role is Role.LISTENER and kind is ConnectionKind.CONTROL and name not in may_control:
            raise DeniedError(f"{stream.peer} is {name!r} by its certificate, which may not control us")
        return name

    def _confirm(self, stream: TlsStream, preambles: bytes, deadline_s: float) -> None:
        """Repeat the preambles, of which nobody may have changed a bit, and hear that we were let in.

        In TLS 1.3 an opener is done before the listener has seen its certificate.
        """
        opener, listener = preambles[:PREAMBLE_BYTES], preambles[PREAMBLE_BYTES:]
        if self._role is Role.OPENER:
            stream.send([memoryview(opener)])
            self._hear(stream, listener, deadline_s)
        else:
            self._hear(stream, opener, deadline_s)
            stream.send([memoryview(listener)])

    def _hear(self, stream: TlsStream, wanted: bytes, deadline_s: float) -> None:
        found = bytearray(PREAMBLE_BYTES)
        stream.set_timeout(_left_s(stream, deadline_s))
        try:
            count = stream.receive_into(memoryview(found))
        except PeerError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise DeniedError(f"{stream.peer} does not accept our certificate") from error
            raise
        if count < PREAMBLE_BYTES:
            raise DeniedError(f"{stream.peer} closed the connection: it does not accept our certificate")
        if found != wanted:
            raise DeniedError(
                f"{stream.peer} sent another preamble before TLS: something intercepts the connection"
            )


def _left_s(stream: SocketStream, deadline_s: float) -> float:
    left_s = deadline_s - clock()
    if left_s <= 0:
        raise PeerError(f"{stream.peer} took too long to prove itself")
    return left_s
