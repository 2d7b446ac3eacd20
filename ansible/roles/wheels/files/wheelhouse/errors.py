"""Errors, each with a one-line message.

WheelhouseError
├── ProjectError   pyproject.toml or the package `worker` is missing or invalid
└── FetchError     wheels cannot be fetched: no network, none for this kind of device, disk full
"""

__all__ = ["FetchError", "ProjectError", "WheelhouseError"]


class WheelhouseError(Exception):
    """A problem that the user can solve."""


class ProjectError(WheelhouseError):
    """pyproject.toml or the package `worker` is missing or invalid."""


class FetchError(WheelhouseError):
    """Wheels cannot be fetched."""
