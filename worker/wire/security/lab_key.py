"""The lab's key: 32 bytes that only the lab's devices and their controller hold."""

import base64
import binascii
import hashlib
import hmac
import re
import stat
from pathlib import Path
from typing import Final

from worker.clock import clock
from worker.wire.errors import DeniedError, PeerError, UsageError
from worker.wire.security.interface import Attempt, Method, Role, Security
from worker.wire.security.proof import NONCE_BYTES, PROOF_BYTES, Proof
from worker.wire.stream import ConnectionKind, SocketStream, Stream

__all__ = ["KEY_BYTES", "KeySecurity", "LabKey", "prove", "read_key"]

KEY_BYTES: Final = 32
_LONGEST_FILE: Final = 1024


class LabKey:
    """Makes message authentication codes; cannot be printed, stored or encoded by accident.

    `source` names it in messages.
    """

    __slots__ = ("_secret", "source")

    def __init__(self, secret: bytes, source: str) -> None:
        """Raises UsageError: it does not have 32 bytes."""
        if len(secret) != KEY_BYTES:
            raise UsageError(f"{source} does not hold a lab's key of {KEY_BYTES} bytes")
        self._secret = secret
        self.source = source

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of the message, 32 bytes."""
        return hmac.digest(self._secret, message, hashlib.sha256)

    def __repr__(self) -> str:
        return f"LabKey(of {self.source})"

    def __reduce__(self) -> str:
        raise TypeError("a lab's key must not be stored or sent")


def read_key(path: Path) -> LabKey:
    """Read a key file: 32 bytes as 64 hex digits or in base64.

    Raises:
        UsageError: It is missing, holds something else, or every user of this host can read it.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            text = file.read(_LONGEST_FILE).strip()
    except OSError as error:
        raise UsageError(
            f"key file {path} cannot be read ({error.strerror}): `edgecut deploy` makes it"
        ) from error
    if mode & 0o007:
        raise UsageError(f"key file {path} is open to every user of this host: chmod o-rwx {path}")
    secret = _decode(text)
    if secret is None or len(secret) != KEY_BYTES:
        raise UsageError(
            f"key file {path} does not hold {KEY_BYTES} bytes in hex or base64: remove it, and "
            f"`edgecut deploy` makes another"
        )
    return LabKey(secret, str(path))


def _decode(text: bytes) -> bytes | None:
    if re.fullmatch(rb"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text.decode())
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None


class KeySecurity(Security):
    """Both ends hold the lab's key. It guards the opening of a connection, not its later bytes."""

    method = Method.KEY

    def __init__(self, key: LabKey) -> None:
        self._key = key

    def attempt(self, role: Role, expected: str | None) -> Attempt:
        """Begin on one connection. All devices hold one key, which therefore identifies none."""
        return _KeyAttempt(self._key, role)


class _KeyAttempt(Attempt):
    def __init__(self, key: LabKey, role: Role) -> None:
        self._source = key.source
        self._role = role
        self._proof = Proof(key, role)
        self.hello = self._proof.nonce

    def finish(
        self, stream: SocketStream, kind: ConnectionKind, preambles: bytes, deadline_s: float
    ) -> SocketStream:
        prove(stream, self._proof, self._role, preambles, deadline_s, source=self._source)
        return stream


def prove(
    stream: Stream, proof: Proof, role: Role, preambles: bytes, deadline_s: float, *, source: str
) -> None:
    """Exchange proofs; our nonce was sent already.

    Args:
        source: The origin of our key, for messages.

    Raises:
        DeniedError: The other end does not hold the key, or says that we do not.
        PeerError: It was lost or is too slow.
    """
    if not proof.meet(preambles, _receive(stream, NONCE_BYTES, deadline_s)):
        raise DeniedError(f"{stream.peer} echoes our nonce")
    if role is Role.OPENER:
        stream.send([memoryview(proof.ours())])
    try:
        theirs = _receive(stream, PROOF_BYTES, deadline_s)
    except DeniedError as error:
        if role is Role.LISTENER:
            raise
        raise DeniedError(f"{stream.peer} rejects the key {source}: it holds another") from error
    if not proof.is_right(theirs):
        raise DeniedError(f"{stream.peer} does not hold the lab's key ({source})")
    if role is Role.LISTENER:
        stream.send([memoryview(proof.ours())])


def _receive(stream: Stream, size: int, deadline_s: float) -> bytes:
    """Receive `size` bytes. Raises DeniedError: the other end closed; PeerError: it is lost or too slow."""
    left_s = deadline_s - clock()
    if left_s <= 0:
        raise PeerError(f"{stream.peer} took too long to prove itself")
    stream.set_timeout(left_s)
    data = bytearray(size)
    if stream.receive_into(memoryview(data)) < size:
        raise DeniedError(f"{stream.peer} closed the connection before it proved itself")
    return bytes(data)
