"""What a device cannot tell is None, whatever its system lacks."""

import psutil
import pytest

from worker.host import device


@pytest.mark.parametrize("told", [None, lambda: None])
def test_a_processor_without_a_clock_has_no_frequency(monkeypatch: pytest.MonkeyPatch, told: object) -> None:
    monkeypatch.setattr(device, "_read", lambda _path: None)
    monkeypatch.setattr(psutil, "cpu_freq", told)
    assert device.frequency_mhz() is None
