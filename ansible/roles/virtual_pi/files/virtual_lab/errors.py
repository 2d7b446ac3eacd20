"""What can go wrong, told in one line.

VirtualLabError
├── HostError   this machine lacks something
└── PiError     a virtual Pi did not come up
"""

__all__ = ["HostError", "PiError", "VirtualLabError"]


class VirtualLabError(Exception):
    """Anything that a user of the lab can act on."""


class HostError(VirtualLabError):
    """This machine lacks something that a virtual lab needs."""


class PiError(VirtualLabError):
    """A virtual Pi did not come up."""
