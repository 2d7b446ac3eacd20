"""The endpoint of a pipeline: where requests are born and where results end, on one clock.

A worker has one where its device is the first of a pipeline; a controller that feeds a pipeline itself, or
passes its requests on, has a `StandaloneEndpoint`.
"""

from worker.endpoint.endpoint import WORST_ALLOWED_ERROR, Endpoint
from worker.endpoint.samples import Samples
from worker.endpoint.standalone import StandaloneEndpoint

__all__ = ["WORST_ALLOWED_ERROR", "StandaloneEndpoint", "Endpoint", "Samples"]
