"""Whether there is memory for what is asked, before it is taken."""

import psutil

from worker.wire.errors import RefusedError

__all__ = ["check_room"]


def check_room(wanted_bytes: int, what: str) -> None:
    """Raise RefusedError: this device has not so much memory to spare.

    The system would promise it, and end the worker once it is used.
    """
    free_bytes = psutil.virtual_memory().available
    if wanted_bytes > free_bytes:
        raise RefusedError(
            f"{what}: {wanted_bytes >> 20} MB are asked for, {free_bytes >> 20} MB are free here"
        )
