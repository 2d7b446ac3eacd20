"""The controller: drives workers through an experiment and keeps what comes out.

`python -m controller` is the command line; this is the same for programs. Imports are made on use, so
that who only reads results (`controller.store`) needs neither onnx nor a worker.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from controller.agenda import Agenda, make_agenda
    from controller.errors import ControllerError
    from controller.lab import Lab, load_lab
    from controller.outcome import Outcome
    from controller.store import Cell, Results, Store, Trial
    from controller.sweep import run_sweep

__all__ = [
    "Agenda",
    "Cell",
    "ControllerError",
    "Lab",
    "Outcome",
    "Results",
    "Store",
    "Trial",
    "load_lab",
    "make_agenda",
    "run_sweep",
]

_HOMES = {
    "Agenda": "agenda",
    "Cell": "store",
    "ControllerError": "errors",
    "Lab": "lab",
    "Outcome": "outcome",
    "Results": "store",
    "Store": "store",
    "Trial": "store",
    "load_lab": "lab",
    "make_agenda": "agenda",
    "run_sweep": "sweep",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'controller' has no attribute {name!r}")
    return getattr(importlib.import_module(f"controller.{_HOMES[name]}"), name)
