"""The base of every message: a typed struct that refuses unknown fields."""

from typing import Any, ClassVar, Generic, Literal, TypeVar, get_args

import msgspec

__all__ = ["Done", "Message", "Part", "Problem", "Request"]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of every message: immutable, named by its class on the wire."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the parts that messages are made of."""


_ReplyT_co = TypeVar("_ReplyT_co", bound=Message, covariant=True)


class Request(Message, Generic[_ReplyT_co], frozen=True):
    """Base of every request: `class Run(Request[RunDone])` declares its reply, `Run.reply` too."""

    reply: ClassVar[type[Message]]

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        (cls.reply,) = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]


class Done(Message, frozen=True):
    """The worker did it, and has nothing more to say."""


class Problem(Message, frozen=True):
    """The worker could not do it; one line says what is wrong and where.

    `kind`: `busy` (another controller holds the worker), `missing` (not in the store), `refused` (the
    request is wrong), `mismatch` (a result differs from the answer), `peer` (a neighbour was lost or
    misbehaved), `failed` (anything else).
    """

    kind: Literal["busy", "missing", "refused", "mismatch", "peer", "failed"]
    text: str
