"""Links between the devices of a lab, measured by their workers and held against what was asked."""

from controller.links.bounds import Measured, breaches, round_trip_asked_ms
from controller.links.checking import check_links
from controller.links.shaping import shaping_arguments

__all__ = ["Measured", "breaches", "check_links", "round_trip_asked_ms", "shaping_arguments"]
