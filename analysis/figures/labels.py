"""Where a point's label goes, so that none lies on another or on a point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Box", "Placed", "place", "text_width"]

_DIRECTIONS = (
    (1.0, 0.0),
    (0.7, -0.7),
    (0.7, 0.7),
    (0.0, -1.0),
    (0.0, 1.0),
    (-0.7, -0.7),
    (-0.7, 0.7),
    (-1.0, 0.0),
)
_SWEEPS = 3
_NARROW_LETTERS = frozenset("fijlrt.,:;'|·()[]! ")
_WIDE_LETTERS = frozenset("mwMWABCDEFGHKNOPQRSUVXYZ@%_")


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """Area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0.0) * max(height, 0.0)


@dataclass(frozen=True)
class Placed:
    """A label's box, the centre of its text, and whether a line should lead to it from its point.

    The line ends at (`end_x`, `end_y`), on the box's edge.
    """

    box: Box
    x: float
    y: float
    leader: bool
    end_x: float
    end_y: float


def text_width(text: str, font: float) -> float:
    """About how wide `text` is in a sans-serif font of `font` pixels; rather too wide than too narrow."""
    widths = (0.33 if c in _NARROW_LETTERS else 0.76 if c in _WIDE_LETTERS else 0.57 for c in text)
    return sum(widths) * font


def place(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    *,
    width: float,
    height: float,
    font: float,
    radius: float,
    obstacles: Sequence[tuple[float, float]] = (),
) -> list[Placed]:
    """A place for each text near its point, first greedily in the order given, then once more.

    Tries eight directions at growing distance and takes the nearest place that lies within the plot and
    covers neither another label nor a point. Where there is none it takes the least covered.

    Args:
        points: The points that are labelled, in pixels, y downwards.
        width: Of the plot, pixels; `height` likewise.
        radius: Of a point's mark, pixels.
        obstacles: Other points that no label should cover if it can be helped.
    """
    marks = [Box(x - radius, y - radius, x + radius, y + radius) for x, y in points]
    minor = [Box(x - radius / 2, y - radius / 2, x + radius / 2, y + radius / 2) for x, y in obstacles]
    choices = [
        _options(x, y, text_width(text, font), font, radius)
        for (x, y), text in zip(points, texts, strict=True)
    ]
    placed: list[Placed] = []
    for options in choices:
        placed.append(_cheapest(options, placed, marks, minor, (width, height)))
    # The first to come had the free choice; let each choose again among all the others.
    for _ in range(_SWEEPS):
        for i, options in enumerate(choices):
            others = placed[:i] + placed[i + 1 :]
            placed[i] = _cheapest(options, others, marks, minor, (width, height))
    return placed


def _cheapest(
    options: Sequence[tuple[float, Placed]],
    others: Sequence[Placed],
    marks: Sequence[Box],
    minor: Sequence[Box],
    size: tuple[float, float],
) -> Placed:
    return min(options, key=lambda o: o[0] + _cost(o[1].box, others, marks, minor, size))[1]


def _options(x: float, y: float, length: float, font: float, radius: float) -> list[tuple[float, Placed]]:
    """Every place tried, each with what its distance costs."""
    options = []
    for step in range(14):
        gap = radius + font * (0.25 + 0.75 * step)
        for dx, dy in _DIRECTIONS:
            centre_x = x + dx * gap + (length / 2 if dx > 0 else -length / 2 if dx < 0 else 0)
            centre_y = y + dy * (gap + font * 0.5)
            box = Box(
                centre_x - length / 2, centre_y - font * 0.6, centre_x + length / 2, centre_y + font * 0.6
            )
            end_x = min(max(x, box.left), box.right)
            end_y = min(max(y, box.top), box.bottom)
            placed = Placed(box, centre_x, centre_y, step > 0, end_x, end_y)
            options.append((0.6 * math.hypot(end_x - x, end_y - y), placed))
    return options


def _cost(
    box: Box, placed: Sequence[Placed], marks: Sequence[Box], minor: Sequence[Box], size: tuple[float, float]
) -> float:
    """Covered area in square pixels, weighed: labels and labelled points first, then the plot's edge."""
    width, height = size
    inside = Box(0, 0, width, height)
    area = (box.right - box.left) * (box.bottom - box.top)
    cost = 3.0 * (area - box.overlap(inside))
    cost += 3.0 * sum(box.overlap(other.box) for other in placed)
    cost += 3.0 * sum(box.overlap(mark) for mark in marks)
    return cost + 0.1 * sum(box.overlap(mark) for mark in minor)
