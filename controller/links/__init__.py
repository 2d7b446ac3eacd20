"""Links between a lab's devices: shape them, measure them, and compare them with the network."""

from controller.links.checking import Check, check_links, check_reach
from controller.links.probing import probe_path, probe_round_trips
from controller.links.readback import link_check
from controller.links.shaping import shaping_arguments

__all__ = [
    "Check",
    "check_links",
    "check_reach",
    "link_check",
    "probe_path",
    "probe_round_trips",
    "shaping_arguments",
]
