"""The controller: drives workers through an experiment and keeps what comes out.

`python -m controller` is the command line; this is the same for programs. Imports are made on use, so
that who only reads results (`controller.results`) needs neither onnx nor a worker.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controller.errors import ControllerError
    from controller.experiment.resolve import ResolvedExperiment, resolve
    from controller.lab.inventory import Lab, load_lab
    from controller.results import Cell, Results, Store, Trial
    from controller.sweep.outcome import Outcome
    from controller.sweep.runner import run_sweep

__all__ = [
    "ResolvedExperiment",
    "Cell",
    "ControllerError",
    "Lab",
    "Outcome",
    "Results",
    "Store",
    "Trial",
    "load_lab",
    "resolve",
    "run_sweep",
]

_HOMES = {
    "ResolvedExperiment": "experiment.resolve",
    "Cell": "results",
    "ControllerError": "errors",
    "Lab": "lab.inventory",
    "Outcome": "sweep.outcome",
    "Results": "results",
    "Store": "results",
    "Trial": "results",
    "load_lab": "lab.inventory",
    "resolve": "experiment.resolve",
    "run_sweep": "sweep.runner",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'controller' has no attribute {name!r}")
    return getattr(importlib.import_module(f"controller.{_HOMES[name]}"), name)
