"""Links carry requests from stage to stage, and to and from the endpoint."""

from worker.links.ends import Connector, Inlet, LinkEnds, Outlet
from worker.links.links import Links, open_data_stream, serve_join
from worker.links.sender import Sender

__all__ = [
    "Connector",
    "Inlet",
    "LinkEnds",
    "Links",
    "Outlet",
    "Sender",
    "open_data_stream",
    "serve_join",
]
