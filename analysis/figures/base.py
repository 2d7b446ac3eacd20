"""What a figure is, and what it is drawn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.figures.theme import Layout

__all__ = ["Figure", "chart", "with_filters"]


@dataclass(frozen=True)
class Figure:
    """A figure of the report. `name` is its file's; `draw` gives its Vega-Lite specification."""

    name: str
    draw: Callable[[Layout], dict[str, Any]]


def chart(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart over `rows`, which travel inside the specification."""
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]  # altair types only its front


def with_filters(spec: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """`spec` with a parameter `only_FIELD` for each field: a value shows its rows alone, `all` shows all.

    Rows without the field, or with an empty one, are shown always.
    """
    datasets = spec.get("datasets", {})
    for layer in spec["layer"]:
        data = layer.get("data", {})
        values = data.get("values") or datasets.get(data.get("name")) or [{}]
        tests = [
            {"filter": f"only_{f} === 'all' || datum.{f} === '' || '' + datum.{f} === only_{f}"}
            for f in fields
            if f in values[0]
        ]
        layer["transform"] = [*layer.get("transform", []), *tests]
    params = [{"name": f"only_{field}", "value": "all"} for field in fields]
    return {**spec, "params": [*spec.get("params", []), *params]}
