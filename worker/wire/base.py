"""What every message is: a typed struct, closed to fields that nobody knows."""

import msgspec

__all__ = ["Message", "Part"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of every message: immutable, named by its class on the wire."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what messages are made of."""
