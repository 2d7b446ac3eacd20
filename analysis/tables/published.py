"""The two tables that published work on distributed inference prints: by split, and by node."""

from analysis.tables.per_node import NODE_COLUMNS, node_rows
from analysis.tables.per_split import SPLIT_COLUMNS, split_rows

__all__ = ["NODE_COLUMNS", "SPLIT_COLUMNS", "node_rows", "split_rows"]
