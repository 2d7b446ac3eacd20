"""Telemetry: one look at least between any two questions, and counters that can be subtracted."""

from worker.host.telemetry import TelemetryThread


def test_even_a_short_while_has_a_sample_of_its_end() -> None:
    telemetry = TelemetryThread(3600.0)
    (before,) = telemetry.take()
    (after,) = telemetry.take()
    assert after.at_s > before.at_s
    assert after.received_bytes >= before.received_bytes
    assert after.process_rss_bytes > 0
    assert 0 <= after.host_cpu_percent <= 100


def test_the_thread_looks_at_its_interval() -> None:
    telemetry = TelemetryThread(0.02)
    telemetry.begin()
    seen = len(telemetry.take())
    while seen < 5:
        seen += len(telemetry.take()) - 1
    telemetry.close()
    assert len(telemetry.take()) >= 1
