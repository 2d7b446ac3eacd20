"""What can go wrong, told in one line.

WheelhouseError
├── ProjectError   pyproject.toml or the package `worker` is not what it should be
└── FetchError     wheels could not be had: no network, none for this kind of device, disk full
"""

__all__ = ["FetchError", "ProjectError", "WheelhouseError"]


class WheelhouseError(Exception):
    """Anything that a user can act on."""


class ProjectError(WheelhouseError):
    """pyproject.toml or the package `worker` is not what it should be."""


class FetchError(WheelhouseError):
    """Wheels could not be had."""
