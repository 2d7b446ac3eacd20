"""A bundle as it lies on disk: manifest, graph, weights, shards, samples. Imports no torch."""

from exporter.bundle.bundle import Bundle, Shard
from exporter.bundle.chain import accuracy, run_chain
from exporter.bundle.cuts import CutPoint
from exporter.bundle.manifest import FileEntry, Manifest
from exporter.bundle.null_model import NULL, export_null
from exporter.bundle.samples import Samples
from exporter.bundle.tensors import Tensor
from exporter.errors import BundleError, RangeError

__all__ = [
    "NULL",
    "Bundle",
    "BundleError",
    "CutPoint",
    "FileEntry",
    "Manifest",
    "RangeError",
    "Samples",
    "Shard",
    "Tensor",
    "accuracy",
    "export_null",
    "run_chain",
]
