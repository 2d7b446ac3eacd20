"""Recognize errors that mean a device has run out of memory or disk."""

import errno
from typing import Final

__all__ = ["DISK_FULL", "OUT_OF_MEMORY", "one_line"]

OUT_OF_MEMORY: Final = "out of memory"
DISK_FULL: Final = "disk full"

_MEMORY: Final = (
    "bad alloc",
    "bad_alloc",
    "failed to allocate memory",
    "out of memory",
    "cannot allocate memory",
    "failed to map segment",
)
"""Texts of ONNX Runtime, the C++ library and the loader, in lower case; none raises MemoryError."""


def one_line(error: BaseException) -> str:
    """The error's text in one line, after what the device has run out of, if anything."""
    text = " ".join((getattr(error, "strerror", None) or str(error)).split())
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return f"{DISK_FULL} ({text})"
    if isinstance(error, MemoryError) or number == errno.ENOMEM:
        return f"{OUT_OF_MEMORY} ({text})" if text else OUT_OF_MEMORY
    return f"{OUT_OF_MEMORY} ({text})" if any(words in text.lower() for words in _MEMORY) else text
