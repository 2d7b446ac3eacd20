"""Known answers: sweeps with planted times, whose figures follow from what is planted."""

from controller.truth.cases import CASES, DEVICES, NULL_SIZES, Case
from controller.truth.compared import ALLOWED, Compared, exact, name, number, read_table, share
from controller.truth.comparison import Reported, compare

__all__ = [
    "ALLOWED",
    "CASES",
    "DEVICES",
    "NULL_SIZES",
    "Case",
    "Compared",
    "Reported",
    "compare",
    "exact",
    "name",
    "number",
    "read_table",
    "share",
]
