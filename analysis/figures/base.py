"""What a figure is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from analysis.figures.theme import Layout

__all__ = ["Figure"]


@dataclass(frozen=True)
class Figure:
    """A figure of the report. `name` is its file's; `draw` gives its Vega-Lite specification."""

    name: str
    draw: Callable[[Layout], dict[str, Any]]
