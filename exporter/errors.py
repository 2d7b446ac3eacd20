"""What can go wrong between a model and its bundle.

    ExporterError
    |-- BundleError      a bundle is missing, incomplete or altered
    |   `-- RangeError   a cut point, partition or module path that this bundle does not have
    |-- ModelError       no such model, or what was named does not give one
    |-- WeightsError     a weights file that cannot be used with this model
    |-- DatasetError     no such data set, or its files are not where they should be
    |-- GraphError       a model that has no graph that can be cut
    |-- OutputError      the place to write to is taken or cannot be written
    `-- VerifyError      shards, graph and model do not agree, or nothing can be said

Every message is one line that names the file, option or layer and says what to do.
"""

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
    "nearest",
    "one_line",
]


class ExporterError(Exception):
    """Base of all errors of this package."""


class BundleError(ExporterError):
    """A bundle is missing, incomplete or altered."""


class RangeError(BundleError):
    """A cut point, partition or module path that this bundle does not have."""


class ModelError(ExporterError):
    """No such model, or what was named does not give one."""


class WeightsError(ExporterError):
    """A weights file that cannot be used with this model."""


class DatasetError(ExporterError):
    """No such data set, or its files are not where they should be."""


class GraphError(ExporterError):
    """A model that has no graph that can be cut."""


class OutputError(ExporterError):
    """The place to write to is taken or cannot be written."""


class VerifyError(ExporterError):
    """Shards, graph and model do not agree, or nothing can be said."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return `` (did you mean "..."?)`` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{close[0]}"?)' if close else ""


def one_line(text: str) -> str:
    """Text of others as one line that a terminal shows and does not obey: without control characters."""
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in words)
