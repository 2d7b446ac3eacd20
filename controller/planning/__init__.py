"""Predict any split from a device profile, and plan which devices to use, in which order, cut where."""

from controller.planning.chooser import Chooser
from controller.planning.constraints import Limits
from controller.planning.planner import max_throughput, min_latency, pareto_set
from controller.planning.prediction import Predictor
from controller.planning.problem import Costs, Plan, Problem, evaluate
from controller.profiling.profile import Profile, load_profile, save_profile

__all__ = [
    "Chooser",
    "Costs",
    "Limits",
    "Plan",
    "Predictor",
    "Problem",
    "Profile",
    "evaluate",
    "min_latency",
    "load_profile",
    "pareto_set",
    "save_profile",
    "max_throughput",
]
