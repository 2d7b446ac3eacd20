"""What a figure is, and what it is drawn from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt

from analysis.figures.theme import Layout

__all__ = ["Figure", "chart"]


@dataclass(frozen=True)
class Figure:
    """A figure of the report. `name` is its file's; `draw` gives its Vega-Lite specification."""

    name: str
    draw: Callable[[Layout], dict[str, Any]]


def chart(rows: Sequence[dict[str, Any]]) -> alt.Chart:
    """A chart over `rows`, which travel inside the specification."""
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]  # altair types only its front
