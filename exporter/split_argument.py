"""Parse splits on the command line: ``clean``, ``blocks``, ``all``, or cut points as ``23,features.12``."""

from exporter.bundle import Bundle
from exporter.errors import RangeError

__all__ = ["parse_cuts", "parse_splits"]

_LONGEST_CUT = 12


def parse_cuts(bundle: Bundle, text: str) -> tuple[int, ...]:
    """Return the cut points of one split: indexes or module paths, separated by commas.

    Raises:
        RangeError: a cut point is out of range, out of order, or of an unknown module.
    """
    cuts = tuple(_parse_one(bundle, part.strip()) for part in text.split(","))
    if any(before >= after for before, after in zip(cuts, cuts[1:], strict=False)):
        raise RangeError(f"cut points {text} are not in order; list each once, from first to last")
    return cuts


def parse_splits(bundle: Bundle, text: str) -> tuple[tuple[int, ...], ...]:
    """Return the splits that a word stands for, or one split given by its cut points.

    Raises:
        RangeError: see `parse_cuts`.
    """
    every = {
        "clean": bundle.clean_cuts(),
        "blocks": bundle.block_cuts(),
        "all": tuple(point.index for point in bundle.cut_points),
    }
    if text in every:
        return tuple((cut,) for cut in every[text])
    return (parse_cuts(bundle, text),)


def _parse_one(bundle: Bundle, text: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > _LONGEST_CUT:
        return bundle.resolve(text)
    cut = int(text)
    bundle.tensors_at(cut)  # raises when out of range
    return cut
