"""The one error of this program."""

__all__ = ["LinkError"]


class LinkError(Exception):
    """A problem, with a one-line message."""
