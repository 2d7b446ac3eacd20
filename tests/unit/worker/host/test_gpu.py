"""What a GPU says of itself, from a stand-in for its driver's library; and from the real one, where it is."""

from typing import Any

from worker.host.gpu import Gpu, find_gpu


class Driver:
    """Answers as NVML does: a status, and the figure written to what it is given."""

    def __init__(self, status: int = 0) -> None:
        self._status = status

    def nvmlDeviceGetUtilizationRates(self, _handle: object, to: Any) -> int:  # noqa: N802
        to._obj.gpu, to._obj.memory = 37, 5
        return self._status

    def nvmlDeviceGetPowerUsage(self, _handle: object, to: Any) -> int:  # noqa: N802
        to._obj.value = 61_250
        return self._status

    def nvmlDeviceGetMemoryInfo(self, _handle: object, to: Any) -> int:  # noqa: N802
        to._obj.used = 3 * 2**30
        return self._status


def gpu(status: int) -> Gpu:
    return Gpu(Driver(status), None)  # type: ignore[arg-type]


def test_a_gpu_is_read_in_units() -> None:
    state = gpu(0).read()
    assert (state.percent, state.power_w, state.used_bytes) == (37.0, 61.25, 3 * 2**30)


def test_what_a_gpu_cannot_tell_is_null() -> None:
    state = gpu(3).read()  # NVML_ERROR_NOT_SUPPORTED
    assert (state.percent, state.power_w, state.used_bytes) == (None, None, None)


def test_the_gpu_of_this_host_is_read_if_there_is_one() -> None:
    found = find_gpu()
    if found is not None:
        state = found.read()
        assert state.percent is None or 0 <= state.percent <= 100
        assert state.power_w is None or 0 < state.power_w < 10_000
