"""TLS 1.3 in place of the key: both ends have certificates of the lab's own authority."""

import ssl
import urllib.parse
from pathlib import Path
from typing import Final

from worker.clock import clock
from worker.wire.errors import DeniedError, PeerError, UsageError
from worker.wire.security.interface import (
    CERTIFICATE_FILE,
    CONTROLLER,
    IDENTITY,
    Attempt,
    Method,
    Role,
    Security,
)
from worker.wire.security.tls_stream import TlsStream
from worker.wire.stream import PREAMBLE_BYTES, ConnectionKind, SocketStream

__all__ = ["TlsSecurity"]


class TlsSecurity(Security):
    """Guard all bytes of a connection, and identify the device at its other end.

    A worker accepts control connections only from the controller and its own device: one device's private key
    does not control another device.
    """

    method = Method.TLS

    def __init__(self, folder: Path, name: str) -> None:
        """Read the certificates in `folder`; `name` is our name.

        Raises:
            UsageError: One of them is missing or invalid.
        """
        self.name: Final = name
        self._contexts = {role: _context(folder, role) for role in Role}

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        return _TlsAttempt(self._contexts[role], role, self.name, expected)


def _context(folder: Path, role: Role) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT if role is Role.OPENER else ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # The identity is our own kind of name, not the host's, which may be an address behind a router.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    if role is Role.LISTENER:
        # No client resumes a session, and unread tickets would turn an orderly close into a reset.
        context.num_tickets = 0
    path = folder
    try:
        path = folder / "ca.pem"
        context.load_verify_locations(cafile=path)
        path = folder / CERTIFICATE_FILE
        context.load_cert_chain(path)
    except OSError as error:
        # OpenSSL's errors are OSErrors too.
        why = error.strerror or str(error)
        raise UsageError(f"{path} cannot be used ({why}): `edgecut deploy` makes it") from error
    return context


class _TlsAttempt(Attempt):
    hello = b""

    def __init__(self, context: ssl.SSLContext, role: Role, name: str, expected: str | None) -> None:
        self._context = context
        self._role = role
        self._name = name
        self._expected = expected

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
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
        """Repeat the preambles inside TLS, to detect a change, and to learn that the listener accepts us.

        In TLS 1.3 an opener finishes before the listener has seen its certificate.
        """
        opener, listener = preambles[:PREAMBLE_BYTES], preambles[PREAMBLE_BYTES:]
        if self._role is Role.OPENER:
            stream.send([memoryview(opener)])
            self._receive_preamble(stream, listener, deadline_s)
        else:
            self._receive_preamble(stream, opener, deadline_s)
            stream.send([memoryview(listener)])

    def _receive_preamble(self, stream: TlsStream, expected: bytes, deadline_s: float) -> None:
        preamble = bytearray(PREAMBLE_BYTES)
        stream.set_timeout(_left_s(stream, deadline_s))
        try:
            count = stream.receive_into(memoryview(preamble))
        except PeerError as error:
            if isinstance(error.__cause__, ssl.SSLError):
                raise DeniedError(f"{stream.peer} does not accept our certificate") from error
            raise
        if count < PREAMBLE_BYTES:
            raise DeniedError(f"{stream.peer} closed the connection: it does not accept our certificate")
        if preamble != expected:
            raise DeniedError(
                f"{stream.peer} sent another preamble before TLS: something intercepts the connection"
            )


def _left_s(stream: SocketStream, deadline_s: float) -> float:
    left_s = deadline_s - clock()
    if left_s <= 0:
        raise PeerError(f"{stream.peer} took too long to prove itself")
    return left_s
