"""How busy a machine is with other work, seen by how late it wakes a thread."""

import threading
import time
from typing import Final, Self

__all__ = ["Witness"]

_NAP_S: Final = 0.005
_USUAL_S: Final = 0.0002
"""An idle machine wakes a thread 0.05 to 0.15 ms late."""


class Witness:
    """A thread that naps as long as the context is open, and notes by how much it overslept."""

    def __init__(self) -> None:
        self._overslept_s = 0.0
        self._naps = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._nap, name="witness", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def late_s(self) -> float:
        """The mean time by which it was woken too late, beyond what is usual."""
        return max(0.0, self._overslept_s / self._naps - _USUAL_S) if self._naps else 0.0

    def _nap(self) -> None:
        while not self._over.is_set():
            began_s = time.perf_counter()
            time.sleep(_NAP_S)
            self._overslept_s += time.perf_counter() - began_s - _NAP_S
            self._naps += 1
