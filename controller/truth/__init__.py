"""Known answers: sweeps with planted times, whose figures follow from what is planted."""

from controller.truth.cases import CASES, DEVICES, NULL_SIZES, Case
from controller.truth.comparison import Compared, compare

__all__ = ["CASES", "DEVICES", "NULL_SIZES", "Case", "Compared", "compare"]
