"""`python faulty_worker.py FOLDER serve ...`: a worker that ends itself at the point that FOLDER/fault names.

The file holds the point and a signal: `computing 9`; or `memory`, for no more of that from there on; or
`pause`, for a thread that is not scheduled for a while. `recording:11` is the row of request 11. The file is
taken away, and FOLDER/fired gets the time (of the monotonic clock, which all processes of a host share),
before the signal is raised: each fault happens once.
"""

import contextlib
import os
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

import psutil

from worker.__main__ import main
from worker.inference.stage import BoundStage, Stage
from worker.records import Ledger
from worker.wire.stream import SocketStream

_FOLDER = Path(sys.argv[1])
_FAULT = _FOLDER / "fault"
_PAUSE_S = 1.5


def _fire_at(point: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        wanted, number = _FAULT.read_text().split()
        if wanted == point:
            _FAULT.unlink()
            (_FOLDER / "fired").write_text(f"{time.monotonic()}\n")
            if number == "memory":
                _limit_memory()
            elif number == "pause":
                time.sleep(_PAUSE_S)
            else:
                os.kill(os.getpid(), int(number))


def _limit_memory() -> None:
    """From now on none but what it has."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms, hard))


def _before(point: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def called(*arguments: Any, **named: Any) -> Any:
        _fire_at(point)
        return function(*arguments, **named)

    return called


_append = Ledger.append


def _append_late(ledger: Ledger, noted: tuple[float, ...], *rest: float) -> None:
    _fire_at("recording")
    _fire_at(f"recording:{noted[0]}")
    _append(ledger, noted, *rest)


_send = SocketStream.send


def _send_half(stream: SocketStream, buffers: Sequence[memoryview]) -> None:
    # Threads that answer are called by who asked: "from 127.0.0.1:40000".
    is_frame = len(buffers) > 1 and not threading.current_thread().name.startswith("from ")
    if is_frame and _FAULT.exists():
        if "sending" in _FAULT.read_text():
            _send(stream, [*buffers[:-1], buffers[-1][: len(buffers[-1]) // 2]])
        _fire_at("sending")
    _send(stream, buffers)


if __name__ == "__main__":
    Stage.__init__ = _before("loading", Stage.__init__)  # type: ignore[method-assign]
    BoundStage.run = _before("computing", BoundStage.run)  # type: ignore[method-assign]
    Ledger.append = _append_late  # type: ignore[method-assign, assignment]
    SocketStream.send = _send_half  # type: ignore[method-assign, assignment]
    sys.exit(main(sys.argv[2:]))
