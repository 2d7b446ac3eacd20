"""How long faults took to be detected and recovered from: held against a bound, and written down where asked.

With EDGECUT_FAULT_TIMES=FILE each is appended to that file as a line of JSON, for docs/reliability.md.
"""

import json
import os
from pathlib import Path

__all__ = ["took"]


def took(fault: str, what: str, seconds: float, *, at_most_s: float) -> None:
    """Note a time, and fail where it is over ten times what it usually is."""
    note = os.environ.get("EDGECUT_FAULT_TIMES")
    if note:
        with Path(note).open("a") as file:
            row = {"fault": fault, "what": what, "seconds": round(seconds, 3), "at_most_s": at_most_s}
            file.write(json.dumps(row) + "\n")
    assert seconds <= at_most_s, f"{fault}: {what} took {seconds:.2f} s, at most {at_most_s:g} s"
