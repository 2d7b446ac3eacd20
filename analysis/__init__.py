"""Turn a sweep's results into fronts, tables, figures and a report.

`load` a results file, make a `Study` of it, or `write_report` it. Imports are made on use, so that
`import analysis` stays light.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.comparison import compare
    from analysis.comparison.differences import Comparison
    from analysis.data.sweep import Sweep, load
    from analysis.errors import AnalysisError
    from analysis.fronts.answers import Answer
    from analysis.fronts.fronts import Front, Point
    from analysis.report import Report, write_report
    from analysis.study import Study

__all__ = [
    "AnalysisError",
    "Answer",
    "Comparison",
    "Front",
    "Point",
    "Report",
    "Study",
    "Sweep",
    "compare",
    "load",
    "write_report",
]

_HOMES = {
    "AnalysisError": "errors",
    "Answer": "fronts.answers",
    "Comparison": "comparison.differences",
    "Front": "fronts.fronts",
    "Point": "fronts.fronts",
    "Report": "report",
    "Study": "study",
    "Sweep": "data.sweep",
    "compare": "comparison",
    "load": "data.sweep",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}")
    return getattr(importlib.import_module(f"analysis.{_HOMES[name]}"), name)
