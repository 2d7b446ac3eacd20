"""The exporter's errors: each is one line that names the file, option or layer and says what to do."""

import difflib
from collections.abc import Iterable

__all__ = [
    "BundleError",
    "DatasetError",
    "ExporterError",
    "GraphError",
    "ModelError",
    "OutputError",
    "RangeError",
    "VerifyError",
    "WeightsError",
    "first_line",
    "nearest",
]


class ExporterError(Exception):
    """Base of all errors of this package."""


class BundleError(ExporterError):
    """A bundle is missing, incomplete or altered."""


class RangeError(BundleError):
    """A cut point, partition or module path that this bundle does not have."""


class ModelError(ExporterError):
    """The model is unknown, or its function or file does not yield one."""


class WeightsError(ExporterError):
    """A weights file does not fit the model or cannot be read."""


class DatasetError(ExporterError):
    """The data set is unknown, or its files are missing or damaged."""


class GraphError(ExporterError):
    """The model has no graph that can be cut."""


class OutputError(ExporterError):
    """The output path is taken or not writable."""


class VerifyError(ExporterError):
    """Shards, graph and model disagree, or the comparison would prove nothing."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean "..."?)`` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{close[0]}"?)' if close else ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's text, or the error's type if it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
