"""Profile a lab once, predict any split, and plan: which devices, in which order, cut where."""

from controller.plan.choice import Limits
from controller.plan.chooser import Chooser
from controller.plan.planner import fastest, pareto_set, steadiest
from controller.plan.prediction import Prediction, Predictor
from controller.plan.problem import Costs, Plan, Problem, evaluate
from controller.plan.profile import Profile, load_profile, save_profile

__all__ = [
    "Chooser",
    "Costs",
    "Limits",
    "Plan",
    "Prediction",
    "Predictor",
    "Problem",
    "Profile",
    "evaluate",
    "fastest",
    "load_profile",
    "pareto_set",
    "save_profile",
    "steadiest",
]
