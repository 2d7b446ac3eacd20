"""The errors of the analysis: each is one line for the user, and `python -m analysis` exits with 2."""

__all__ = [
    "AnalysisError",
    "ComparisonError",
    "FigureError",
    "ObjectiveError",
    "OutputError",
    "ResultsError",
]


class AnalysisError(Exception):
    """Base of all below; its text is one line that names the cause and says what to do."""


class ResultsError(AnalysisError):
    """The results file cannot be reported on."""


class OutputError(AnalysisError):
    """The output folder cannot be written."""


class FigureError(AnalysisError):
    """A figure format is unknown."""


class ObjectiveError(AnalysisError):
    """An objective is unknown or given twice."""


class ComparisonError(AnalysisError):
    """Two sets of results cannot be compared; the text says why."""
