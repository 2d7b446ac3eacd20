"""Where a point's label goes, so that none lies on another or on a point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Box", "Placed", "Scale", "labelled", "place", "text_width", "width_beside"]

_DIRECTIONS = np.array(
    [(1.0, 0.0), (0.7, -0.7), (0.7, 0.7), (0.0, -1.0), (0.0, 1.0), (-0.7, -0.7), (-0.7, 0.7), (-1.0, 0.0)]
)
_STEPS = 14
_SWEEPS = 3
_NARROW_LETTERS = frozenset("fijlrt.,:;'|·()[]! ")
_WIDE_LETTERS = frozenset("mwMWABCDEFGHKNOPQRSUVXYZ@%_")
# Prices of a covered square pixel, against a pixel of distance: a label or a labelled point, a lesser point.
_COVERING, _COVERING_MINOR, _DISTANCE = 3.0, 0.2, 0.6

_Boxes = NDArray[np.float64]
"""Rows of left, top, right, bottom."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float


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


@dataclass(frozen=True)
class Scale:
    """An axis from `low` to `high` over `pixels`; `up` puts the large values on top."""

    low: float
    high: float
    pixels: float
    up: bool = False
    log: bool = True

    def to_pixel(self, value: float) -> float:
        if self.log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return self.pixels * (1 - share if self.up else share)

    def to_value(self, pixel: float) -> float:
        share = 1 - pixel / self.pixels if self.up else pixel / self.pixels
        if self.log:
            return self.low * math.exp(share * math.log(self.high / self.low))
        return self.low + share * (self.high - self.low)


def text_width(text: str, font: float) -> float:
    """About how wide `text` is in a sans-serif font of `font` pixels; rather too wide than too narrow."""
    widths = (0.33 if c in _NARROW_LETTERS else 0.76 if c in _WIDE_LETTERS else 0.57 for c in text)
    return sum(widths) * font


def width_beside(names: Sequence[str], width: float, font: float) -> float:
    """What an axis of these names leaves for a plot that has `width` beside an ordinary axis."""
    return max(width * 0.4, width * 1.08 - max(text_width(name, font) for name in names))


def labelled(
    points: Sequence[tuple[float, float]],
    texts: Sequence[str],
    scales: tuple[Scale, Scale],
    *,
    font: float,
    radius: float,
    obstacles: Sequence[tuple[float, float]] = (),
) -> list[dict[str, Any]]:
    """What `place` finds for points on two axes, as a row's fields in the values of the axes.

    Args:
        obstacles: In pixels, as for `place`.
    """
    x, y = scales
    pixels = [(x.to_pixel(a), y.to_pixel(b)) for a, b in points]
    sizes = {"width": x.pixels, "height": y.pixels, "font": font, "radius": radius}
    return [
        {
            "at_x": x.to_value(p.x),
            "at_y": y.to_value(p.y),
            "end_x": x.to_value(p.end_x),
            "end_y": y.to_value(p.end_y),
            "leader": p.leader,
        }
        for p in place(pixels, texts, **sizes, obstacles=obstacles)
    ]


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
    """A place for each text near its point, first greedily in the order given, then each once more.

    Tries eight directions at growing distance and takes the cheapest place: near, within the plot, and
    covering neither another label nor a point.

    Args:
        points: The points that are labelled, in pixels, y downwards.
        width: Of the plot, pixels; `height` likewise.
        radius: Of a point's mark, pixels.
        obstacles: Other points that no label should cover if it can be helped.
    """
    marks, minor = _around(points, radius), _around(obstacles, radius / 2)
    options = [
        _options(x, y, text_width(text, font), font, radius)
        for (x, y), text in zip(points, texts, strict=True)
    ]
    alone = [
        _alone(boxes, point, marks, minor, (width, height))
        for boxes, point in zip(options, points, strict=True)
    ]
    chosen: list[int] = []
    for i, boxes in enumerate(options):
        others = np.array([options[j][k] for j, k in enumerate(chosen)]).reshape(-1, 4)
        chosen.append(int(np.argmin(alone[i] + _COVERING * _overlap(boxes, others))))
    # The first to come had the free choice; let each choose again among all the others.
    for _ in range(_SWEEPS):
        for i, boxes in enumerate(options):
            others = np.array([options[j][k] for j, k in enumerate(chosen) if j != i]).reshape(-1, 4)
            chosen[i] = int(np.argmin(alone[i] + _COVERING * _overlap(boxes, others)))
    everything = np.array([*points, *obstacles], dtype=np.float64).reshape(-1, 2)
    return [
        _placed(boxes[k], i, everything, leader=k >= len(_DIRECTIONS))
        for i, (boxes, k) in enumerate(zip(options, chosen, strict=True))
    ]


def _around(points: Sequence[tuple[float, float]], radius: float) -> _Boxes:
    centres = np.array(points, dtype=np.float64).reshape(-1, 2)
    return np.hstack([centres - radius, centres + radius])


def _options(x: float, y: float, length: float, font: float, radius: float) -> _Boxes:
    """Every place tried, the nearest step first."""
    gap = np.repeat(radius + font * (0.25 + 0.75 * np.arange(_STEPS)), len(_DIRECTIONS))
    dx, dy = np.tile(_DIRECTIONS, (_STEPS, 1)).T
    centre_x = x + dx * gap + np.sign(dx) * length / 2
    centre_y = y + dy * (gap + font * 0.5)
    half = font * 0.6
    return np.stack([centre_x - length / 2, centre_y - half, centre_x + length / 2, centre_y + half], axis=1)


def _alone(
    boxes: _Boxes, point: tuple[float, float], marks: _Boxes, minor: _Boxes, size: tuple[float, float]
) -> NDArray[np.float64]:
    """The cost of each place, regardless of the other labels."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    outside = area - _overlap(boxes, np.array([[0.0, 0.0, *size]]))
    nearest = np.clip(np.array(point), boxes[:, :2], boxes[:, 2:])
    distance = np.hypot(*(nearest - np.array(point)).T)
    covered = _COVERING * (outside + _overlap(boxes, marks)) + _COVERING_MINOR * _overlap(boxes, minor)
    return np.asarray(covered + _DISTANCE * distance)


def _overlap(boxes: _Boxes, others: _Boxes) -> NDArray[np.float64]:
    """For each of `boxes` the area that it shares with all `others` together."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    sides = np.maximum(high - low, 0.0)
    return np.asarray((sides[..., 0] * sides[..., 1]).sum(axis=1))


def _placed(box: NDArray[np.float64], own: int, everything: NDArray[np.float64], *, leader: bool) -> Placed:
    """A leader is drawn for distance, and where another point is nearer to the label than its own."""
    nearest = np.clip(everything, box[:2], box[2:])
    distance = np.hypot(*(nearest - everything).T)
    mistaken = bool((np.delete(distance, own) < distance[own]).any())
    left, top, right, bottom = map(float, box)
    end_x, end_y = map(float, nearest[own])
    return Placed(
        Box(left, top, right, bottom),
        (left + right) / 2,
        (top + bottom) / 2,
        leader or mistaken,
        end_x,
        end_y,
    )
