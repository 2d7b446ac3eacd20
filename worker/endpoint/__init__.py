"""The endpoint of a pipeline: its source and its sink, on one clock.

The worker on a pipeline's first device has one; a controller that feeds a pipeline itself, or relays its
requests, has a `StandaloneEndpoint`.
"""

from worker.endpoint.endpoint import WORST_ALLOWED_ERROR, Endpoint
from worker.endpoint.samples import Samples, batches_of
from worker.endpoint.standalone import StandaloneEndpoint

__all__ = ["WORST_ALLOWED_ERROR", "StandaloneEndpoint", "Endpoint", "Samples", "batches_of"]
