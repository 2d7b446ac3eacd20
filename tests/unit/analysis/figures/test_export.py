"""Figure files are what they are called."""

from pathlib import Path

import pytest

from analysis.errors import FigureError
from analysis.figures import PAPER, check_formats, export, figures_of
from analysis.study import Study


def test_files_are_what_they_are_called(study: Study, tmp_path: Path) -> None:
    name = "mobilenet_v2-wan-capability"
    pdf, svg, png = export(figures_of(study)[name](PAPER), tmp_path / name, ("pdf", "svg", "png"))
    assert pdf.read_bytes().startswith(b"%PDF")
    assert "features" in svg.read_text() or "everything on pi" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")
    width = float(svg.read_text().split('width="', 1)[1].split('"', 1)[0].removesuffix("px"))
    assert width <= 252, "wider than a column of a two-column paper"


def test_an_unknown_format_is_named() -> None:
    assert check_formats("pdf, png") == ("pdf", "png")
    with pytest.raises(FigureError, match="no such format 'gif'; have pdf, svg, png"):
        check_formats("pdf,gif")
