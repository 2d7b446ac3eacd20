"""Every figure of a report, each for a page, a phone and a paper."""

from analysis.data.breakdown import Breakdown, breakdowns
from analysis.figures.base import Figure
from analysis.figures.export import FORMATS, VEGA_LITE, check_formats, export
from analysis.figures.front import front_figure
from analysis.figures.parts import parts_figure
from analysis.figures.payload import payload_figure
from analysis.figures.selection import figures_of
from analysis.figures.theme import LAYOUTS, PAPER, Layout, config

__all__ = [
    "FORMATS",
    "LAYOUTS",
    "PAPER",
    "VEGA_LITE",
    "Breakdown",
    "Figure",
    "Layout",
    "breakdowns",
    "check_formats",
    "config",
    "export",
    "figures_of",
    "front_figure",
    "parts_figure",
    "payload_figure",
]
