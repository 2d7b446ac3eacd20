"""Two results files, or two networks: what differs between them by more than noise."""

from analysis.comparison.differences import Comparison, Difference, Overall, compare
from analysis.comparison.pairs import Side, matched, sides_of
from analysis.comparison.tables import COMPARE_COLUMNS, compare_table, summary_lines
from analysis.comparison.writing import write_comparison

__all__ = [
    "COMPARE_COLUMNS",
    "Comparison",
    "Difference",
    "Overall",
    "Side",
    "compare",
    "compare_table",
    "matched",
    "sides_of",
    "summary_lines",
    "write_comparison",
]
