"""`python slow_worker.py serve ...`: a worker whose every send on a data connection takes 2 ms longer."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from worker.__main__ import main
from worker.wire.stream import SocketStream

_send, _send_now = SocketStream.send, SocketStream.send_now


def _send_late(stream: SocketStream, buffers: Sequence[memoryview]) -> None:
    time.sleep(0.002)
    _send(stream, buffers)


def _send_now_late(stream: SocketStream, buffers: Sequence[memoryview]) -> Sequence[memoryview]:
    time.sleep(0.002)
    return _send_now(stream, buffers)


if __name__ == "__main__":
    SocketStream.send = _send_late  # type: ignore[method-assign, assignment]
    SocketStream.send_now = _send_now_late  # type: ignore[method-assign, assignment]
    sys.exit(main())
