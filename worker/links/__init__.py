"""Links: what requests travel over, from stage to stage and to and from the endpoint."""

from worker.links.ends import Inlet, Outlet
from worker.links.links import Connector, Links, open_data_stream, serve_join
from worker.links.relay import Relay

__all__ = ["Connector", "Inlet", "Links", "Outlet", "Relay", "open_data_stream", "serve_join"]
