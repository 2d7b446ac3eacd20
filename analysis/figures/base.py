"""What a figure is, and what it is drawn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.figures.theme import Layout
from controller.results import Cell

__all__ = ["FILTERS", "Figure", "chart", "of_cell", "with_filters"]

FILTERS = ("model", "network", "depth", "codec")
"""What the page has menus for."""


@dataclass(frozen=True)
class Figure:
    """A figure of the report. `name` is its file's; `draw` gives its Vega-Lite specification."""

    name: str
    draw: Callable[[Layout], dict[str, Any]]


def chart(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart over `rows`, which travel inside the specification."""
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]  # altair types only its front


def of_cell(cell: Cell) -> dict[str, Any]:
    """What a row of this cell has, so that a click finds the cell and the page's menus narrow the figure.

    A figure of several models or networks has those in its rows too; one of a single one lies in a section of
    the page that is hidden as a whole.
    """
    return {"cell": cell.id, "depth": cell.depth, "codec": cell.codec}


def with_filters(spec: dict[str, Any], fields: Sequence[str] = FILTERS) -> dict[str, Any]:
    """`spec` with a parameter `only_FIELD` for each field of its rows: a value shows its rows alone.

    Rows without the field, or with an empty one, are shown always. With `all`, the default, all are shown
    but those whose `FIELD_all` is false: they stand in for another row once a value is chosen.
    """
    datasets, used = spec.get("datasets", {}), set()

    def filtered(part: dict[str, Any], inherited: dict[str, Any]) -> dict[str, Any]:
        data = part.get("data", inherited)
        for kind in ("layer", "vconcat"):
            if kind in part:
                return {**part, kind: [filtered(child, data) for child in part[kind]]}
        row = (data.get("values") or datasets.get(data.get("name")) or [{}])[0]
        mine = [f for f in fields if f in row]
        used.update(mine)
        tests = [
            {
                "filter": f"only_{f} === 'all' ? datum.{f}_all !== false"
                f" : datum.{f} === '' || '' + datum.{f} === only_{f}"
            }
            for f in mine
        ]
        return {**part, "transform": [*tests, *part.get("transform", [])]} if tests else part

    found = filtered(spec, {})
    params = [{"name": f"only_{field}", "value": "all"} for field in fields if field in used]
    return {**found, "params": [*spec.get("params", []), *params]} if params else found
