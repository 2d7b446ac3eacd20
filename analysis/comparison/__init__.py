"""Two results files, or two networks: what differs between them by more than noise."""

from analysis.comparison.differences import compare
from analysis.comparison.pairs import Side, sides_of
from analysis.comparison.tables import compare_table, summary_lines
from analysis.comparison.writing import write_comparison

__all__ = ["Side", "compare", "compare_table", "sides_of", "summary_lines", "write_comparison"]
