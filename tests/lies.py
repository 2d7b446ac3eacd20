"""Lies: mutations of messages, made from their types alone, so that every message has some."""

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect

from worker.wire.messages import LONGEST_PROBLEM, Message

__all__ = ["Lie", "lies_of", "numbers_of"]


@dataclass(frozen=True)
class Lie:
    """A message with something put in the place of what it said.

    Attributes:
        name: The message's type, where, and what stands there.
        body: The message, encoded.
        is_plain: No message of its type may say so, whatever was asked.
    """

    name: str
    body: bytes
    is_plain: bool


def lies_of(message: Message) -> Iterator[Lie]:
    """Every lie that the message's type gives rise to."""
    kind = type(message)
    said = msgspec.msgpack.decode(msgspec.msgpack.encode(message))
    info = inspect.type_info(kind)
    for path, stands_there, is_plain in _lies(info, said, ()):
        mutated = _with(copy.deepcopy(said), path, stands_there)
        where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
        name = f"{kind.__name__}{where} = {_short(stands_there)}"
        yield Lie(name, msgspec.msgpack.encode(mutated), is_plain)
    other = "Done" if kind.__name__ != "Done" else "Missing"
    yield Lie(f"{kind.__name__}: a {other}", msgspec.msgpack.encode({"type": other}), is_plain=True)
    long = "x" * (LONGEST_PROBLEM + 1)
    problem = {"type": "Problem", "kind": "failed", "text": long}
    yield Lie(f"{kind.__name__}: a long Problem", msgspec.msgpack.encode(problem), is_plain=True)
    yield Lie(f"{kind.__name__}: a long type", msgspec.msgpack.encode({"type": long}), is_plain=True)
    yield Lie(f"{kind.__name__}: no message", b"\xc1", is_plain=True)


def numbers_of(
    info: inspect.Type, path: str = ""
) -> Iterator[tuple[str, inspect.IntType | inspect.FloatType]]:
    """Every number in a type, and where."""
    match info:
        case inspect.IntType() | inspect.FloatType():
            yield path, info
        case inspect.StructType():
            for field in info.fields:
                yield from numbers_of(field.type, f"{path}.{field.name}")
        case inspect.UnionType():
            for one in info.types:
                yield from numbers_of(one, path)
        case inspect.VarTupleType():
            yield from numbers_of(info.item_type, f"{path}[]")
        case inspect.TupleType():
            for position, one in enumerate(info.item_types):
                yield from numbers_of(one, f"{path}[{position}]")
        case inspect.DictType():
            yield from numbers_of(info.value_type, f"{path}[]")


class _Gone:
    """In place of a field: it is left out."""

    def __repr__(self) -> str:
        return "nothing"


_Path = tuple[str | int, ...]
_Found = Iterator[tuple[_Path, Any, bool]]


def _lies(info: inspect.Type, said: Any, path: _Path) -> _Found:
    """Where, what stands there, and whether that is plainly wrong."""
    if isinstance(info, inspect.UnionType):
        yield from _in_union(info, said, path)
        return
    yield from ((path, lie, True) for lie in _impossible(info, said))
    yield from ((path, lie, False) for lie in _possible(info, said) if lie != said)
    for step, part in _parts(info, said):
        yield from _lies(part, said[step], (*path, step))
    if isinstance(info, inspect.StructType):
        yield (*path, "lie"), 1, True
        known = (field for field in info.fields if field.encode_name in said)
        yield from (((*path, field.encode_name), _Gone(), field.required) for field in known)


def _impossible(info: inspect.Type, said: Any) -> list[Any]:
    """What no value of a type can be, its bounds included."""
    match info:
        case inspect.IntType():
            return ["many", None, 0.5, True, -(2**62), 2**64 - 1]
        case inspect.FloatType():
            return ["long", None, math.nan, math.inf, -math.inf, -1e250, 1e250]
        case inspect.TupleType():
            return [{}, said[1:], [*said, *said]]
        case inspect.LiteralType():
            return ["lie", 7]
        case inspect.VarTupleType() | inspect.BoolType():
            return [{}, "yes"]
    return [[]]


def _possible(info: inspect.Type, said: Any) -> list[Any]:
    """What may be refused only beside the request, the other records, or not at all."""
    match info:
        case inspect.IntType():
            return [-1, 0, said + 1, 2 * said + 7, 2**63 - 1]
        case inspect.FloatType():
            return [-1e-9, 0.0, 5e-324, said / 3, 3 * said, 1e9]
        case inspect.BoolType():
            return [not said]
        case inspect.StrType():
            return ["", "[red]\x1b[31m", "x" * 10_000]
        case inspect.BytesType():
            half, size = said[: len(said) // 2], len(said)
            return [b"", said[:-1], half, 2 * said, bytes(size), b"\xff" * size]
        case inspect.VarTupleType():
            return [[], said[1:], [*said, *said[-1:]], said[::-1]]
        case inspect.TupleType():
            return [said[::-1]]
        case inspect.DictType():
            return [{}]
    return []


def _parts(info: inspect.Type, said: Any) -> list[tuple[Any, inspect.Type]]:
    """The steps into a value and their types: of many members that are alike, the first."""
    match info:
        case inspect.StructType():
            return [(f.encode_name, f.type) for f in info.fields if f.encode_name in said]
        case inspect.VarTupleType():
            return [(0, info.item_type)] if said else []
        case inspect.TupleType():
            return list(enumerate(info.item_types))
        case inspect.DictType():
            return [
                (key, info.value_type) for key in {type(value): key for key, value in said.items()}.values()
            ]
    return []


_PLAIN_TYPES = {
    type(None): inspect.NoneType,
    bool: inspect.BoolType,
    int: inspect.IntType,
    float: inspect.FloatType,
    str: inspect.StrType,
    bytes: inspect.BytesType,
}


def _in_union(info: inspect.UnionType, said: Any, path: _Path) -> _Found:
    """Those of the part that the value is of; what another part allows is not plainly wrong."""
    parts = {kind: one for kind, plain in _PLAIN_TYPES.items() for one in info.types if type(one) is plain}
    if said is None:
        # As if a value were known.
        said = 0.5 if float in parts else 1 if int in parts else "" if str in parts else True
    part = parts[type(said)]
    for where, lie, is_plain in _lies(part, said, path):
        is_allowed = where == path and type(lie) in parts and type(lie) is not type(said)
        yield where, lie, is_plain and not is_allowed


def _with(said: Any, path: _Path, stands_there: Any) -> Any:
    if not path:
        return stands_there
    *way, last = path
    at = said
    for step in way:
        at = at[step]
    if isinstance(stands_there, _Gone):
        del at[last]
    else:
        at[last] = stands_there
    return said


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:30]}... ({len(text)} long)"
