"""From a model to a bundle: one ONNX graph, its cut points and its weights, once.

What is imported here needs no torch; the commands that do are run as ``python -m exporter``.
"""

import os

# ONNX Runtime reports what it loads to its maker unless told otherwise before its import: graphs are their
# owner's business, and a measured link carries nothing else.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from exporter.bundle import (
    Bundle,
    CutPoint,
    FileEntry,
    Manifest,
    Samples,
    Shard,
    Tensor,
    accuracy,
    run_chain,
)
from exporter.errors import (
    BundleError,
    DatasetError,
    ExporterError,
    GraphError,
    ModelError,
    OutputError,
    RangeError,
    VerifyError,
    WeightsError,
)

__all__ = [
    "Bundle",
    "BundleError",
    "CutPoint",
    "DatasetError",
    "ExporterError",
    "FileEntry",
    "GraphError",
    "Manifest",
    "ModelError",
    "OutputError",
    "RangeError",
    "Samples",
    "Shard",
    "Tensor",
    "VerifyError",
    "WeightsError",
    "accuracy",
    "run_chain",
]
