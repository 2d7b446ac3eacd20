"""What can go wrong in the analysis.

```
AnalysisError          one line for the user; `python -m analysis` exits with 2
├── ResultsError       the results file: nothing finished in it, or not whole
├── OutputError        the output folder: cannot be written
├── FigureError        a figure format that is not one of ours
├── ObjectiveError     an objective that is not one of ours
└── ComparisonError    two sets of results that cannot be compared
```
"""

__all__ = [
    "AnalysisError",
    "ComparisonError",
    "FigureError",
    "ObjectiveError",
    "OutputError",
    "ResultsError",
]


class AnalysisError(Exception):
    """Base of all below; its text is one line that names the culprit and says what to do."""


class ResultsError(AnalysisError):
    """The results file cannot be reported on."""


class OutputError(AnalysisError):
    """The report cannot be written where it was asked for."""


class FigureError(AnalysisError):
    """A figure cannot be made as asked."""


class ObjectiveError(AnalysisError):
    """Fronts cannot be made of what was asked."""


class ComparisonError(AnalysisError):
    """What was asked to be compared is not comparable, and why."""
