"""Every figure of a report, each for a page, a phone and a paper."""

from analysis.figures.base import Figure
from analysis.figures.export import FORMATS, VEGA_LITE, check_formats, export, exporting, rendered
from analysis.figures.selection import figures_of
from analysis.figures.theme import LAYOUTS, PAPER, Layout, config

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "PAPER",
    "VEGA_LITE",
    "Figure",
    "Layout",
    "check_formats",
    "config",
    "export",
    "exporting",
    "figures_of",
    "rendered",
]
