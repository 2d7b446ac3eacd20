"""edgecut: where should this network be cut, on these devices, over this network?

For programs and notebooks; the command `edgecut` is in `edgecut.cli`. Errors are one line each:
`ExporterError` of models and bundles, `ControllerError` of labs, experiments and measurements,
`AnalysisError` of results. Imports are made on use, so that `import edgecut` stays light.
"""

import importlib
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.errors import AnalysisError
    from controller.errors import ControllerError
    from controller.lab.inventory import Device, Lab
    from controller.profiling.profile import Profile
    from controller.results import Cell, Trial
    from controller.sweep.outcome import Outcome
    from edgecut.bundles import export_model, open_bundle
    from edgecut.callbacks import Step
    from edgecut.figures import Figure
    from edgecut.labs import load_lab, local_lab
    from edgecut.plans import PlannedSplit, plan_splits, profile_lab
    from edgecut.results import Results, load_results
    from edgecut.sweeps import CellRun, run_cell, run_sweep
    from exporter.bundle import Bundle, CutPoint
    from exporter.errors import ExporterError

__all__ = [
    "AnalysisError",
    "Bundle",
    "Cell",
    "CellRun",
    "ControllerError",
    "CutPoint",
    "Device",
    "ExporterError",
    "Figure",
    "Lab",
    "Outcome",
    "PlannedSplit",
    "Profile",
    "Results",
    "Step",
    "Trial",
    "__version__",
    "export_model",
    "load_lab",
    "load_results",
    "local_lab",
    "open_bundle",
    "plan_splits",
    "profile_lab",
    "run_cell",
    "run_sweep",
]

_HOMES = {
    "AnalysisError": "analysis.errors",
    "Bundle": "exporter.bundle",
    "Cell": "controller.results",
    "CellRun": "edgecut.sweeps",
    "ControllerError": "controller.errors",
    "CutPoint": "exporter.bundle",
    "Device": "controller.lab.inventory",
    "ExporterError": "exporter.errors",
    "Figure": "edgecut.figures",
    "Lab": "controller.lab.inventory",
    "Outcome": "controller.sweep.outcome",
    "PlannedSplit": "edgecut.plans",
    "Profile": "controller.profiling.profile",
    "Results": "edgecut.results",
    "Step": "edgecut.callbacks",
    "Trial": "controller.results",
    "export_model": "edgecut.bundles",
    "load_lab": "edgecut.labs",
    "load_results": "edgecut.results",
    "local_lab": "edgecut.labs",
    "open_bundle": "edgecut.bundles",
    "plan_splits": "edgecut.plans",
    "profile_lab": "edgecut.plans",
    "run_cell": "edgecut.sweeps",
    "run_sweep": "edgecut.sweeps",
}

try:
    __version__ = version("edgecut")
except PackageNotFoundError:  # a copy of the sources that nothing has installed
    __version__ = "unknown"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edgecut' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
