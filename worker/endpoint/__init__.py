"""The endpoint of a pipeline: where requests are born and where results end, on one clock.

A worker has one where its device is the first of a pipeline; a controller that feeds a pipeline itself uses
`ControllerSource`.
"""

from worker.endpoint.controller_source import ControllerSource
from worker.endpoint.endpoint import WORST_ALLOWED_ERROR, Endpoint
from worker.endpoint.samples import Samples

__all__ = ["WORST_ALLOWED_ERROR", "ControllerSource", "Endpoint", "Samples"]
