"""The results file: one SQLite database a sweep.

What was asked (experiment, cells), with what (environments, devices, bundles, links as asked and as
measured), and what came out (trials with their records, baselines, accuracy, drift, telemetry).
Write-ahead logging, so that a report or a live view can read while a sweep writes. A trial is committed
whole or not at all.

Nothing that follows from the records is stored beside them: latency, throughput and shares are
computed by whoever reads.
"""

from controller.results.as_written import UNREADABLE
from controller.results.course import Attempt, Course
from controller.results.encoding import unpack
from controller.results.reading import Results, known_devices, read_cells
from controller.results.rows import (
    CHAIN,
    HUB,
    SOCKET,
    TORCH_RPC,
    Accuracy,
    BaselineTrial,
    Cell,
    CodecAccuracy,
    DeviceRow,
    Drift,
    Hop,
    Link,
    MeasuredLink,
    Predicted,
    Profiling,
    Scope,
    Settings,
    Trial,
)
from controller.results.writing import Store

__all__ = [
    "CHAIN",
    "HUB",
    "SOCKET",
    "TORCH_RPC",
    "UNREADABLE",
    "Accuracy",
    "Attempt",
    "BaselineTrial",
    "Cell",
    "CodecAccuracy",
    "Course",
    "DeviceRow",
    "Drift",
    "Hop",
    "Link",
    "MeasuredLink",
    "Predicted",
    "Profiling",
    "Results",
    "Scope",
    "Settings",
    "Store",
    "Trial",
    "known_devices",
    "read_cells",
    "unpack",
]
