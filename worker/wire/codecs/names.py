"""The codecs, their names, and which of them this device has."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Final

from worker.wire.errors import RefusedError

__all__ = ["NO_CODEC", "Codec", "available_codecs", "lack_of", "parse_codec"]

_CODES: Final = {"none": 0, "fp16": 1, "uint8": 2, "lz4": 3, "zstd": 4, "uint8+zstd": 5, "zfp": 6}
_NEEDS: Final = {"lz4": "cramjam", "zstd": "cramjam", "uint8+zstd": "cramjam", "zfp": "zfpy"}
_LOSSLESS: Final = frozenset({"none", "lz4", "zstd"})
_LEVELS: Final = range(1, 23)


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec and its parameter.

    Attributes:
        family: One of none, fp16, uint8, lz4, zstd, uint8+zstd, zfp.
        level: zstd's compression level, 1 to 22.
        tolerance: zfp's largest absolute error, in the tensor's own units.
    """

    family: str
    level: int = 1
    tolerance: float = 0.0

    @property
    def name(self) -> str:
        """The name in an experiment; equal codecs have equal names."""
        if self.family == "zfp":
            return "zfp:" + repr(self.tolerance).removesuffix(".0")
        if self.family.endswith("zstd"):
            return f"{self.family}:{self.level}"
        return self.family

    @property
    def code(self) -> int:
        """The codec's number in a frame's header."""
        return _CODES[self.family]

    @property
    def lossless(self) -> bool:
        """Whether decoding restores the tensor bit for bit."""
        return self.family in _LOSSLESS


NO_CODEC: Final = Codec("none")


def parse_codec(text: str) -> Codec:
    """The codec of a name: `uint8`, `zstd`, `zstd:3` (a level), `zfp:0.01` (a tolerance).

    Raises:
        RefusedError: An unknown codec, or a wrong parameter.
    """
    family, colon, parameter = text.partition(":")
    if family not in _CODES:
        raise RefusedError(f"unknown codec {text!r}; known: {', '.join(_CODES)}")
    if family == "zfp":
        return Codec(family, tolerance=_tolerance(text, parameter))
    if not colon:
        return Codec(family)
    if not family.endswith("zstd"):
        raise RefusedError(f"codec {text!r}: {family} takes no parameter")
    if not parameter.isdecimal() or int(parameter) not in _LEVELS:
        raise RefusedError(f"codec {text!r}: the level is a whole number from 1 to 22, as in {family}:3")
    return Codec(family, level=int(parameter))


def _tolerance(text: str, parameter: str) -> float:
    try:
        tolerance = float(parameter)
    except ValueError:
        raise RefusedError(
            f"codec {text!r}: the tolerance is not a number; write it as in zfp:0.01"
        ) from None
    if not 0 < tolerance < math.inf:
        raise RefusedError(f"codec {text!r}: the tolerance must be above 0, as in zfp:0.01")
    return tolerance


@cache
def available_codecs() -> tuple[str, ...]:
    """The families that this device can encode and decode; some need further packages."""
    return tuple(family for family in _CODES if family not in _NEEDS or find_spec(_NEEDS[family]))


def lack_of(codec: Codec, available: Sequence[str]) -> str | None:
    """Why a device with the `available` families lacks this codec; None if it does not."""
    if codec.family in available:
        return None
    return (
        f"lacks codec {codec.family}, which needs the package {_NEEDS.get(codec.family, 'edgecut')} there "
        f"(pip install 'edgecut[codecs]'); it has {', '.join(available)}"
    )
