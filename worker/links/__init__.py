"""Links carry requests from stage to stage, and to and from the endpoint."""

from worker.links.ends import Connector, Inlet, Outlet
from worker.links.links import LinkEnds, Links, ends_here, open_data_stream, serve_join
from worker.links.sender import Sender

__all__ = [
    "Connector",
    "Inlet",
    "LinkEnds",
    "Links",
    "Outlet",
    "Sender",
    "ends_here",
    "open_data_stream",
    "serve_join",
]
