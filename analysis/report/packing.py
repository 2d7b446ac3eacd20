"""Figures and cards as the page holds them: every row of data once, by column, repeated values once.

`charts.js` unpacks a figure when it is drawn, and a card when its point is clicked.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from analysis.figures import LAYOUTS, Figure, Layout, config

__all__ = ["packed_cards", "packed_figures", "packed_rows"]

_DIGITS = 6
"""Of a number: no screen shows more."""


def packed_figures(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Each figure's specification in each layout, whose rows are numbers of `tables`."""
    tables: list[dict[str, Any]] = []
    places: dict[str, int] = {}

    def number_of(rows: Sequence[Mapping[str, Any]]) -> int:
        table = packed_rows(rows)
        key = repr(table)
        if key not in places:
            places[key] = len(tables)
            tables.append(table)
        return places[key]

    return {
        "configs": {layout.name: config(layout) for layout in LAYOUTS},
        "figures": {
            name: {layout.name: _without_rows(draw, layout, number_of) for layout in LAYOUTS}
            for name, draw in figures.items()
        },
        "tables": tables,
    }


def _without_rows(
    draw: Figure, layout: Layout, number_of: Callable[[Sequence[Mapping[str, Any]]], int]
) -> dict[str, Any]:
    # Layers of one figure share their rows, as the very same list.
    known: dict[int, int] = {}

    def stripped(part: dict[str, Any]) -> dict[str, Any]:
        for kind in ("layer", "vconcat"):
            if kind in part:
                part = {**part, kind: [stripped(child) for child in part[kind]]}
        rows = part.get("data", {}).get("values")
        if rows is None:
            return part
        if id(rows) not in known:
            known[id(rows)] = number_of(rows)
        return {**part, "data": {"values": known[id(rows)]}}

    return stripped(draw(layout))


def packed_rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Rows by column: `{"rows": 3, "columns": {"depth": {"of": [1, 4], "at": [0, 0, 1]}, "ms": [5, 6, 7]}}`.

    A column of few values lists them once and has their places, none where it has a single value. A row that
    lacks a field has -1 there.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {"rows": len(rows), "columns": {name: _column(rows, name) for name in names}}


_ABSENT = object()


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Any:
    values = [_short(row.get(name, _ABSENT)) for row in rows]
    places: dict[Any, int] = {}
    at = [-1 if value is _ABSENT else places.setdefault(_key(value), len(places)) for value in values]
    if -1 not in at and 2 * len(places) > len(values) > 1:
        return values
    first = dict(zip(reversed(at), reversed(values), strict=True))
    of = [first[place] for place in range(len(places))]
    return {"of": of} if len(of) == 1 and -1 not in at else {"of": of, "at": at}


def _key(value: Any) -> Any:
    """What tells values apart: 1, 1.0 and true are equal in Python, but not on the page."""
    return type(value), tuple(value) if isinstance(value, list) else value


def _short(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}")
    return value


def packed_cards(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Cards of cells by their ids: what `charts.js` shows of a clicked point."""
    rows = [
        {
            "id": identity,
            "where": card["where"],
            "labels": [label for label, _ in card["facts"]],
            "names": [name for name, *_ in card["parts"]],
            "colours": [colour for *_, colour in card["parts"]],
            **{f"fact {i}": text for i, (_, text) in enumerate(card["facts"])},
            **{f"ms {i}": ms for i, (_, ms, _) in enumerate(card["parts"])},
        }
        for identity, card in cards.items()
    ]
    return packed_rows(rows)
