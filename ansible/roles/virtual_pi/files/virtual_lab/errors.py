"""Errors, each with a one-line message.

VirtualLabError
├── HostError   this machine lacks something
└── PiError     a virtual Pi did not boot
"""

__all__ = ["HostError", "PiError", "VirtualLabError"]


class VirtualLabError(Exception):
    """A problem that a user of the lab can solve."""


class HostError(VirtualLabError):
    """This machine lacks something that a virtual lab needs."""


class PiError(VirtualLabError):
    """A virtual Pi did not boot."""
