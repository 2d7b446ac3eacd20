"""Challenge and response over the lab's key, without any input or output.

Each end sends a nonce behind its preamble. The opener proves itself first, so that a listener says nothing to
whoever cannot:

    opener   -> preamble (16), nonce (32)
    listener -> preamble (16), nonce (32)
    opener   -> HMAC-SHA256(key, "edgecut lab key" | opener   | preambles | nonces)
    listener -> HMAC-SHA256(key, "edgecut lab key" | listener | preambles | nonces)

Nonces make an earlier proof worthless, the role one that is sent back, and the preambles bind version, kind
of connection and method. Addresses are not in it: there may be a router between that changes them.
"""

import hmac
import secrets
from typing import Final, Protocol

from worker.wire.security.interface import Role

__all__ = ["NONCE_BYTES", "PROOF_BYTES", "Mac", "Proof"]

NONCE_BYTES: Final = 32
PROOF_BYTES: Final = 32
_CONTEXT: Final = b"edgecut lab key\0"


class Mac(Protocol):
    """What can make a message authentication code with the lab's key."""

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of the message, 32 bytes."""


class Proof:
    """One end's part. Make it, send `nonce`, give it the other's with `meet`; then `ours` and `is_right`."""

    def __init__(self, key: Mac, role: Role) -> None:
        self._key = key
        self._role = role
        self._bound: bytes | None = None
        self.nonce: Final = secrets.token_bytes(NONCE_BYTES)

    def meet(self, preambles: bytes, their_nonce: bytes) -> bool:
        """Take the other end's nonce; False if it cannot be one, because it is ours."""
        if len(their_nonce) != NONCE_BYTES or hmac.compare_digest(their_nonce, self.nonce):
            return False
        nonces = (self.nonce, their_nonce) if self._role is Role.OPENER else (their_nonce, self.nonce)
        self._bound = preambles + b"".join(nonces)
        return True

    def ours(self) -> bytes:
        """What proves us to the other end."""
        return self._proof_of(self._role)

    def is_right(self, theirs: bytes) -> bool:
        """Whether what the other end sent proves it to us; takes as long whatever it is."""
        other = Role.LISTENER if self._role is Role.OPENER else Role.OPENER
        return hmac.compare_digest(theirs, self._proof_of(other))

    def _proof_of(self, role: Role) -> bytes:
        if self._bound is None:
            raise RuntimeError("the ends have not met")
        return self._key.mac(_CONTEXT + bytes([role]) + self._bound)
