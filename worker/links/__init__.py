"""Links: what requests travel over, from stage to stage and to and from the endpoint."""

from worker.links.ends import Inlet, Outlet
from worker.links.links import Connector, Links, open_data_stream, serve_join

__all__ = ["Connector", "Inlet", "Links", "Outlet", "open_data_stream", "serve_join"]
