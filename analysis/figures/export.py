"""A specification -> a file, without a browser."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import vl_convert

from analysis.errors import FigureError
from analysis.figures.base import Figure
from analysis.figures.theme import PAPER, config

__all__ = ["FORMATS", "VEGA_LITE", "check_formats", "export", "export_all", "rendered"]

FORMATS = ("pdf", "svg", "png")
VEGA_LITE = "6.4"
"""The version that altair writes and vl-convert draws; the report's browser bundle is of it too."""

_PNG_PIXELS_PER_INCH = 300


def check_formats(text: str) -> tuple[str, ...]:
    """`pdf,svg` -> ("pdf", "svg").

    Raises:
        FigureError: One of them is not a format of ours.
    """
    formats = tuple(name.strip().lower() for name in text.split(",") if name.strip())
    for name in formats:
        if name not in FORMATS:
            raise FigureError(f"--figures {text}: no such format {name!r}; have {', '.join(FORMATS)}")
    return formats


def export(spec: dict[str, Any], stem: Path, formats: Sequence[str]) -> list[Path]:
    """Write `spec` as STEM.pdf, STEM.svg, STEM.png; the files written."""
    spec = spec | {"config": config(PAPER)}
    written = []
    for name in formats:
        path = stem.with_name(f"{stem.name}.{name}")
        path.write_bytes(rendered(spec, name))
        written.append(path)
    return written


def export_all(figures: Mapping[str, Figure], folder: Path, formats: Sequence[str]) -> None:
    """Write every figure to `folder`, which is made if there is something to write."""
    if formats:
        folder.mkdir()
        for name, draw in figures.items():
            export(draw(PAPER), folder / name, formats)


def rendered(spec: dict[str, Any], name: str) -> bytes:
    """A specification, with its configuration, drawn in one of `FORMATS`."""
    if name == "svg":
        return vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE).encode()
    if name == "pdf":
        return vl_convert.vegalite_to_pdf(spec, vl_version=VEGA_LITE)
    # 72 units of the specification are an inch, so that 7 units are a 7-point letter.
    return vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, ppi=_PNG_PIXELS_PER_INCH, scale=1)
