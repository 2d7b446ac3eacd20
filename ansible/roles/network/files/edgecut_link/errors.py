"""The errors of this program."""

__all__ = ["LinkError", "MissingModuleError"]


class LinkError(Exception):
    """A problem, with a one-line message."""


class MissingModuleError(LinkError):
    """The kernel has no such qdisc or filter."""
