"""Looks at the device at a set interval, in a thread of its own."""

import threading
from collections import deque
from typing import Final

import psutil

from worker.device import frequency_mhz, temperature_c, throttled
from worker.timing import clock
from worker.wire.messages import TelemetrySample

__all__ = ["TelemetryThread"]

# Two hours at the usual half second; older ones are dropped when nobody asks.
_KEPT_SAMPLES: Final = 14_400

# Reading a Pi's throttling flags may mean starting a program.
_THROTTLED_EVERY_S: Final = 5.0


class TelemetryThread:
    """Keeps samples until they are taken."""

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._samples: deque[TelemetrySample] = deque(maxlen=_KEPT_SAMPLES)
        self._process = psutil.Process()
        self._throttled: int | None = None
        self._throttled_at_s = float("-inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="telemetry", daemon=True)

    def begin(self) -> None:
        """Start looking."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()

    def take(self) -> tuple[TelemetrySample, ...]:
        """Samples since the last time; they are then forgotten."""
        taken = []
        while self._samples:
            taken.append(self._samples.popleft())
        return tuple(taken)

    def _look(self) -> None:
        # The first reading of a CPU share has nothing to compare with.
        self._process.cpu_percent()
        psutil.cpu_percent()
        while not self._ended.wait(self._interval_s):
            self._samples.append(self._sample())

    def _sample(self) -> TelemetrySample:
        now_s = clock()
        if now_s - self._throttled_at_s >= _THROTTLED_EVERY_S:
            self._throttled, self._throttled_at_s = throttled(), now_s
        memory = psutil.virtual_memory()
        counters = psutil.net_io_counters()
        return TelemetrySample(
            at_s=now_s,
            process_cpu_percent=self._process.cpu_percent(),
            host_cpu_percent=psutil.cpu_percent(),
            process_rss_bytes=self._process.memory_info().rss,
            host_used_bytes=memory.total - memory.available,
            frequency_mhz=frequency_mhz(),
            temperature_c=temperature_c(),
            throttled=self._throttled,
            sent_bytes=counters.bytes_sent,
            received_bytes=counters.bytes_recv,
        )
