"""A report's figures for programs: they show in notebooks, and can be saved."""

from pathlib import Path
from typing import Any

from analysis.errors import FigureError
from analysis.figures import FORMATS, LAYOUTS, PAPER, config, export, rendered
from analysis.figures import Figure as Drawing

__all__ = ["Figure"]


class Figure:
    """One figure of a report. A notebook shows it where it is a cell's last value.

    Attributes:
        name: As in the report's folder `figures`.
    """

    def __init__(self, name: str, draw: Drawing) -> None:
        """Name what `draw` draws."""
        self.name = name
        self._draw = draw

    def save(self, path: Path | str) -> Path:
        """Write the figure as .pdf, .svg or .png, made for one column of a two-column paper.

        Returns:
            The file's path.

        Raises:
            AnalysisError: The path has another suffix.
            OSError: The file cannot be written.
        """
        path = Path(path)
        if path.suffix[1:] not in FORMATS:
            raise FigureError(f"{path}: name a file that ends in {', '.join(f'.{name}' for name in FORMATS)}")
        (written,) = export(self._draw(PAPER), path.with_suffix(""), [path.suffix[1:]])
        return written

    def specification(self) -> dict[str, Any]:
        """The figure in Vega-Lite's JSON, with its data."""
        page = LAYOUTS[0]
        return self._draw(page) | {"config": config(page)}

    def __repr__(self) -> str:
        return f"<edgecut.Figure {self.name}>"

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        # An image rather than Vega-Lite: it shows offline, in every front end, and on paper.
        svg = rendered(self.specification(), "svg").decode()
        return {"image/svg+xml": svg, "text/plain": repr(self)}
