"""Sample the device at a fixed interval, in a thread."""

import contextlib
import threading
import time
from collections import deque
from pathlib import Path
from typing import Final

import psutil

from worker.clock import clock
from worker.host.device import frequency_mhz, temperature_c, throttled
from worker.host.gpu import NOTHING, find_gpu
from worker.host.process_memory import own_bytes
from worker.wire.messages import TelemetrySample

__all__ = ["TelemetryThread"]

# Two hours at the usual half second; without a request for them, older samples are dropped.
_MOST_SAMPLES: Final = 14_400

# Reading a Pi's throttling flags may start a program.
_THROTTLED_EVERY_S: Final = 5.0

# The kernel looks at every page: for a large process that would take a share of a core at a short interval.
_MEMORY_SHARE: Final = 0.01


class TelemetryThread:
    """Keeps samples until they are taken."""

    def __init__(self, interval_s: float, store: Path) -> None:
        """`store`: the folder of the bundles whose files count as memory."""
        self._interval_s = interval_s
        self._store = store.resolve()
        self._samples: deque[TelemetrySample] = deque(maxlen=_MOST_SAMPLES)
        self._process = psutil.Process()
        self._other: psutil.Process | None = None
        self._other_cpu_s = 0.0
        self._gpu = find_gpu()
        # A controller may ask for a sample while the thread takes one.
        self._lock = threading.Lock()
        self._throttled: int | None = None
        self._sampled_at_s = clock()
        self._cpu_s = time.process_time()
        self._host_times_s = _host_times_s()
        self._throttled_at_s = float("-inf")
        self._memory_bytes: int | None = None
        self._memory_due_s = float("-inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="telemetry", daemon=True)

    def begin(self) -> None:
        """Start sampling."""
        self._thread.start()

    def close(self) -> None:
        """Stop sampling."""
        self._ended.set()
        self._thread.join()

    def count_too(self, pid: int | None) -> None:
        """Include another process from now on; None: no other."""
        with self._lock:
            self._memory_due_s = float("-inf")
            try:
                self._other = None if pid is None else psutil.Process(pid)
                if self._other is not None:
                    self._other_cpu_s = _cpu_s(self._other)
            except psutil.Error:
                self._other = None

    def take(self) -> tuple[TelemetrySample, ...]:
        """Samples since the last call, with a fresh one at the end; they are then forgotten.

        So even a short time between two calls has a sample at its end, and CPU shares since its beginning.
        The throttling flags and the memory are fresh too.
        """
        with self._lock:
            self._throttled_at_s = self._memory_due_s = float("-inf")
        self._add_sample()
        return tuple(self._samples.popleft() for _ in range(len(self._samples)))

    def _look(self) -> None:
        while not self._ended.wait(self._interval_s):
            # Keep sampling after the device was out of memory or descriptors for a moment.
            with contextlib.suppress(OSError, MemoryError, psutil.Error):
                self._add_sample()

    def _add_sample(self) -> None:
        with self._lock:
            self._samples.append(self._sample())

    def _sample(self) -> TelemetrySample:
        now_s = clock()
        process_cpu_percent = self._process_cpu_percent(now_s)
        if now_s - self._throttled_at_s >= _THROTTLED_EVERY_S:
            self._throttled, self._throttled_at_s = throttled(), now_s
        if now_s >= self._memory_due_s:
            began_s = clock()
            self._memory_bytes = self._read_memory()
            self._memory_due_s = now_s + (clock() - began_s) / _MEMORY_SHARE
        memory = psutil.virtual_memory()
        counters = psutil.net_io_counters()
        gpu = NOTHING if self._gpu is None else self._gpu.read()
        return TelemetrySample(
            at_s=now_s,
            process_cpu_percent=process_cpu_percent,
            host_cpu_percent=self._host_cpu_percent(),
            process_memory_bytes=self._memory_bytes,
            process_rss_bytes=self._process.memory_info().rss + self._other_rss_bytes(),
            host_used_bytes=memory.total - memory.available,
            frequency_mhz=frequency_mhz(),
            temperature_c=temperature_c(),
            throttled=self._throttled,
            sent_bytes=counters.bytes_sent,
            received_bytes=counters.bytes_recv,
            gpu_percent=gpu.percent,
            gpu_power_w=gpu.power_w,
            gpu_used_bytes=gpu.used_bytes,
        )

    def _process_cpu_percent(self, now_s: float) -> float:
        """The share since the last sample; times the time since then, it is exactly what was used."""
        before_s, self._sampled_at_s = self._sampled_at_s, now_s
        cpu_s = time.process_time()
        used_s, self._cpu_s = cpu_s - self._cpu_s, cpu_s
        if self._other is not None:
            with contextlib.suppress(psutil.Error):
                other_s = _cpu_s(self._other)
                used_s, self._other_cpu_s = used_s + other_s - self._other_cpu_s, other_s
        return 100 * used_s / (now_s - before_s) if now_s > before_s else 0.0

    def _read_memory(self) -> int | None:
        pids = [self._process.pid, *([] if self._other is None else [self._other.pid])]
        return own_bytes(pids, self._store)

    def _other_rss_bytes(self) -> int:
        with contextlib.suppress(psutil.Error):
            return 0 if self._other is None else int(self._other.memory_info().rss)
        return 0

    def _host_cpu_percent(self) -> float:
        """The share since the last sample of any thread: psutil keeps one for each thread."""
        (busy_before_s, all_before_s), now = self._host_times_s, _host_times_s()
        self._host_times_s = now
        past_s = now[1] - all_before_s
        # The kernel's sums of idle and waiting time may run backwards by a tick.
        return min(max(100 * (now[0] - busy_before_s) / past_s, 0.0), 100.0) if past_s > 0 else 0.0


def _cpu_s(process: psutil.Process) -> float:
    """Seconds that a process has computed, in steps of 10 ms."""
    times = process.cpu_times()
    return float(times.user + times.system)


def _host_times_s() -> tuple[float, float]:
    """Busy seconds and all seconds, of all cores together, since the host started."""
    times = psutil.cpu_times()
    # Linux counts a guest's time under user and nice too.
    all_s = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return all_s - times.idle - getattr(times, "iowait", 0.0), all_s
