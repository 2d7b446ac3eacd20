"""What can go wrong: LinkError, and nothing else."""

__all__ = ["LinkError"]


class LinkError(Exception):
    """One line that says what is wrong."""
