"""How ONNX Runtime is set up on a device: what its inventory says, over what a measurement needs."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from worker.wire.errors import UsageError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["OPTIMIZATION_LEVELS", "Options", "options_line", "parse_options", "session_options"]

Options = Mapping[str, str]
"""`graph_optimization_level`, and entries of ONNX Runtime's session configuration, by their own names."""

_LEVEL: Final = "graph_optimization_level"
OPTIMIZATION_LEVELS: Final = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
"""Our names, and those of ONNX Runtime."""

_WEIGHTS: Final = "session.model_external_initializers_file_folder_path"
_FORMAT: Final = "session.load_model_format"
_ENTRIES: Final = ("session.", "optimization.", "mlas.")

# What loads code, reads or writes a file, or lets the graph's bytes be something else than ONNX. What an
# execution provider takes (`ep.`) has entries of all these kinds, under names of its own, so none is taken.
_REFUSED: Final = re.compile(r"librar|custom_op|file|profil|path|folder|directory|_format|ort_model_bytes")

# Nothing is found in here: a shard without a bundle may point to no file, not even in the working directory.
_NO_FOLDER: Final = os.devnull
_LONGEST: Final = 1024

# Spinning threads would show as CPU load and slow down a neighbour on the same host.
_USUAL: Final = {"session.intra_op.allow_spinning": "0", "session.inter_op.allow_spinning": "0"}


def parse_options(given: Sequence[str]) -> dict[str, str]:
    """Options from `KEY=VALUE`, in the order of their keys.

    ONNX Runtime takes any key and passes those over that it does not know, so keys are checked by what they
    begin with; a value that it cannot use fails the first stage.

    Raises:
        UsageError: Not of that form, no such option, or one that the worker sets itself; names it.
    """
    found: dict[str, str] = {}
    for one in given:
        key, equals, value = one.partition("=")
        if not equals or not value:
            raise UsageError(f"ONNX Runtime option {one!r}: write KEY=VALUE")
        if key in found:
            raise UsageError(f"ONNX Runtime option {key!r} is given twice")
        if key == _WEIGHTS:
            raise UsageError(f"ONNX Runtime option {key!r} is set by the worker itself; leave it out")
        if key.startswith("ep.") or _REFUSED.search(key.lower()):
            raise UsageError(
                f"ONNX Runtime option {key[:80]!r} is refused, since it may load code, or read or write "
                "files: leave it out"
            )
        if key == _LEVEL and value not in OPTIMIZATION_LEVELS:
            raise UsageError(
                f"ONNX Runtime option {key!r} is {value!r}; allowed: {', '.join(OPTIMIZATION_LEVELS)}"
            )
        if key != _LEVEL and (not key.startswith(_ENTRIES) or max(len(key), len(value)) > _LONGEST):
            raise UsageError(
                f"unknown ONNX Runtime option {key[:80]!r}; allowed: {_LEVEL}, and entries of its "
                f"session configuration, which begin with {', '.join(_ENTRIES)}"
            )
        if value in ("True", "False"):
            raise UsageError(f"ONNX Runtime option {key!r} is {value}; write 1 or 0")
        found[key] = value
    return dict(sorted(found.items()))


def options_line(options: Options) -> str | None:
    """Options as they stand in a stamp; None without any."""
    return ", ".join(f"{key}={value}" for key, value in options.items()) or None


def session_options(
    weights_folder: Path | None, threads: int, options: Options
) -> "onnxruntime.SessionOptions":
    """What a session is made with.

    Args:
        weights_folder: Where the files are that a shard's initializers point into; ONNX Runtime refuses those
            that lead out of it, by `..`, as absolute paths or over links. None: it may point to none.
        threads: Intra-op threads; one thread runs in the caller's own.
        options: As `parse_options` gives them.
    """
    import onnxruntime

    made = onnxruntime.SessionOptions()
    made.intra_op_num_threads = threads
    made.inter_op_num_threads = 1
    made.log_severity_level = 3
    entries = _USUAL | dict(options)
    level = entries.pop(_LEVEL, None)
    if level is not None:
        made.graph_optimization_level = getattr(
            onnxruntime.GraphOptimizationLevel, OPTIMIZATION_LEVELS[level]
        )
    entries[_WEIGHTS] = str(weights_folder or _NO_FOLDER)
    # Else bytes that begin so are taken for ONNX Runtime's own format, of which much less is checked.
    entries[_FORMAT] = "ONNX"
    for key, value in entries.items():
        made.add_session_config_entry(key, value)
    return made
