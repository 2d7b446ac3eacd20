"""The results file: one SQLite database per sweep.

It holds the request (experiment, cells), the setup (environments, devices, bundles, links as requested and as
measured) and the results (trials with their records, baselines, accuracy, sentinels, telemetry). Write-ahead
logging lets a report or a live view read while a sweep writes. A trial is committed whole or not at all.

The file stores nothing that follows from the records, but the reference boxes, by which other files are
judged: readers compute latency, throughput and shares.
"""

from controller.results.found import Change, Description, FoundDevices, comparison_block, state_of
from controller.results.objectives import TIMED, Objective
from controller.results.reading import Results
from controller.results.reference_box import reference_boxes
from controller.results.rows import (
    CHAIN,
    HUB,
    OFFLINE,
    PLANTED,
    SATURATING,
    SOCKET,
    TORCH_RPC,
    Accuracy,
    BaselineTrial,
    Block,
    Cell,
    CodecAccuracy,
    DeviceRow,
    FullSpeed,
    Look,
    MeasuredLink,
    Predicted,
    Profiling,
    ReferenceBox,
    Saturation,
    Scope,
    Sentinel,
    Settings,
    TimeAlone,
    coded_as,
)
from controller.results.trial import Attempt, Course, Hop, Link, LinkUse, Trial
from controller.results.wanted import TrialsWanted
from controller.results.writing import Store

__all__ = [
    "CHAIN",
    "SATURATING",
    "HUB",
    "OFFLINE",
    "PLANTED",
    "SOCKET",
    "TIMED",
    "TORCH_RPC",
    "Accuracy",
    "Attempt",
    "BaselineTrial",
    "Block",
    "Cell",
    "Change",
    "CodecAccuracy",
    "Course",
    "Description",
    "DeviceRow",
    "FoundDevices",
    "FullSpeed",
    "Hop",
    "Link",
    "LinkUse",
    "Look",
    "MeasuredLink",
    "Objective",
    "Predicted",
    "Profiling",
    "ReferenceBox",
    "Results",
    "Saturation",
    "Scope",
    "Sentinel",
    "Settings",
    "Store",
    "TimeAlone",
    "Trial",
    "TrialsWanted",
    "coded_as",
    "comparison_block",
    "reference_boxes",
    "state_of",
]
