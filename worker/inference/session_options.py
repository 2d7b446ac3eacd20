"""The session options of ONNX Runtime: the inventory's, on top of those that a measurement needs."""

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

# Options that load code, read or write a file, or let the graph's bytes be anything but ONNX. An execution
# provider's options (`ep.`) include all these kinds under their own names, so all are refused.
_REFUSED: Final = re.compile(r"librar|custom_op|file|profil|path|folder|directory|_format|ort_model_bytes")

# Not a folder: a shard without a bundle may point to no file, not even in the working directory.
_NO_FOLDER: Final = os.devnull
_LONGEST: Final = 1024

_USUAL: Final = {
    # Spinning threads would show as CPU load and slow down a neighbour on the same host.
    "session.intra_op.allow_spinning": "0",
    "session.inter_op.allow_spinning": "0",
    # Else a product with int8 weights also rounds its fp32 input to int8, in some shards and not in others.
    "session.qdq_matmulnbits_accuracy_level": "1",
}


def parse_options(texts: Sequence[str]) -> dict[str, str]:
    """Options from `KEY=VALUE`, in the order of their keys.

    ONNX Runtime ignores unknown keys, so this checks how they begin; an unusable value fails the first stage.

    Raises:
        UsageError: Not of that form, an unknown option, or one that the worker sets itself; names it.
    """
    options: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not value:
            raise UsageError(f"ONNX Runtime option {text!r}: write KEY=VALUE")
        if key in options:
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
        options[key] = value
    return dict(sorted(options.items()))


def options_line(options: Options) -> str | None:
    """Options as one line for the stamp; None without any."""
    return ", ".join(f"{key}={value}" for key, value in options.items()) or None


def session_options(
    weights_folder: Path | None, threads: int, options: Options
) -> "onnxruntime.SessionOptions":
    """The options of a session.

    Args:
        weights_folder: The folder of the files that a shard's initializers point into; ONNX Runtime refuses
            paths out of it, by `..`, absolute or over links. None: the shard may point to no file.
        threads: Intra-op threads; a single one is the caller's.
        options: As from `parse_options`.
    """
    import onnxruntime

    session = onnxruntime.SessionOptions()
    session.intra_op_num_threads = threads
    session.inter_op_num_threads = 1
    session.log_severity_level = 3
    entries = _USUAL | dict(options)
    level = entries.pop(_LEVEL, None)
    if level is not None:
        session.graph_optimization_level = getattr(
            onnxruntime.GraphOptimizationLevel, OPTIMIZATION_LEVELS[level]
        )
    entries[_WEIGHTS] = str(weights_folder or _NO_FOLDER)
    # Otherwise ONNX Runtime accepts its own format too, which it checks much less.
    entries[_FORMAT] = "ONNX"
    for key, value in entries.items():
        session.add_session_config_entry(key, value)
    return session
