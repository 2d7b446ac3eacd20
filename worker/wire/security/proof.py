"""Challenge and response over the lab's key, without input or output.

Each end sends a nonce after its preamble. The opener proves itself first, so that a listener reveals nothing
to a stranger:

    opener   -> preamble (16), nonce (32)
    listener -> preamble (16), nonce (32)
    opener   -> HMAC-SHA256(key, "edgecut lab key" | opener   | preambles | nonces)
    listener -> HMAC-SHA256(key, "edgecut lab key" | listener | preambles | nonces)

Nonces prevent replays, the role prevents reflection, and the preambles bind version, kind of connection and
method. Addresses are left out: a router in between may change them.
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
    """Makes message authentication codes with the lab's key."""

    def mac(self, message: bytes) -> bytes:
        """HMAC-SHA256 of the message, 32 bytes."""


class Proof:
    """One end's proof: send `nonce`, pass the other's to `meet`; then use `ours` and `is_right`."""

    def __init__(self, key: Mac, role: Role) -> None:
        self._key = key
        self._role = role
        self._bound: bytes | None = None
        self.nonce: Final = secrets.token_bytes(NONCE_BYTES)

    def meet(self, preambles: bytes, their_nonce: bytes) -> bool:
        """Take the other end's nonce; False if it is malformed or our own."""
        if len(their_nonce) != NONCE_BYTES or hmac.compare_digest(their_nonce, self.nonce):
            return False
        nonces = (self.nonce, their_nonce) if self._role is Role.OPENER else (their_nonce, self.nonce)
        self._bound = preambles + b"".join(nonces)
        return True

    def ours(self) -> bytes:
        """The proof to send."""
        return self._proof_of(self._role)

    def is_right(self, theirs: bytes) -> bool:
        """Whether the other end's proof is right; compares in constant time."""
        other = Role.LISTENER if self._role is Role.OPENER else Role.OPENER
        return hmac.compare_digest(theirs, self._proof_of(other))

    def _proof_of(self, role: Role) -> bytes:
        if self._bound is None:
            raise RuntimeError("the ends have not met")
        return self._key.mac(_CONTEXT + bytes([role]) + self._bound)
