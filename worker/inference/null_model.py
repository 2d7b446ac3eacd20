"""Recognise the null model by its graph, whose operators compute nothing; whatever it is called.

A worker has no `onnx`, so this reads the operators from the file's own bytes: ONNX is a protobuf message.
"""

from collections.abc import Iterator
from typing import Final

from worker.wire.errors import RefusedError

__all__ = ["NULL_OPERATORS", "check_null"]

NULL_OPERATORS: Final = frozenset({"Identity", "Pad"})
"""Operators that copy a tensor, cut it short or fill it up."""

# Numbers of protobuf fields: of a model, a graph, a node (onnx.proto).
_GRAPH, _FUNCTIONS = 7, 25
_NODE: Final = 1
_OPERATOR, _DOMAIN = 4, 7

_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
_LONGEST_VARINT_BITS: Final = 70


def check_null(graph: bytes, label: str) -> None:
    """Raise RefusedError: a graph, called `label` in the error, has a node that computes."""
    try:
        foreign = next((name for name in _operators(graph) if name not in NULL_OPERATORS), None)
    except ValueError as error:
        raise RefusedError(f"{label} cannot be read: {error}") from error
    if foreign is not None:
        raise RefusedError(
            f"{label} computes (operator {foreign[:80]!r}); planted times are for the null model alone, "
            "which `python -m exporter null` makes"
        )


def _operators(model: bytes) -> Iterator[str]:
    """The operator of each node. Fields that occur twice count twice, as protobuf merges them."""
    for number, value in _fields(memoryview(model)):
        if number == _FUNCTIONS:
            # A function can give any name to any computation.
            yield "of the model's own"
        if number == _GRAPH:
            for inner, node in _fields(value):
                if inner == _NODE:
                    yield from _names(node)


def _names(node: memoryview) -> Iterator[str]:
    texts = [(number, bytes(value).decode("ascii", "replace")) for number, value in _fields(node)]
    domain = "".join(text for number, text in texts if number == _DOMAIN)
    names = [text for number, text in texts if number == _OPERATOR]
    yield from (f"{domain}.{name}" if domain else name for name in names or [""])


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field that has a length; the others are numbers.

    Raises:
        ValueError: this is no protobuf message.
    """
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
        elif kind == _BYTES:
            size, at = _varint(message, at)
            if size > len(message) - at:
                raise ValueError("a field is longer than its message")
            yield tag >> 3, message[at : at + size]
            at += size
        elif kind in (_FIXED_32, _FIXED_64):
            at += 4 if kind == _FIXED_32 else 8
        else:
            raise ValueError(f"a field has type {kind}, which ONNX does not use")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, _LONGEST_VARINT_BITS, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number is cut short")
