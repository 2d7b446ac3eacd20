"""Drift by sentinels: against the first block in which the device was as it is."""

from controller.results import DeviceRow, FoundDevices, Sentinel
from controller.results.drifts import drift_variances, drifts
from tests.unit.analysis.synthetic import AT


def _found(*governors: str) -> FoundDevices:
    """Environments from 1 on, each with the governor of pi; server stays as it is."""
    return FoundDevices(
        {
            number: [DeviceRow("pi", "real", 1.0, {"governor": g}), DeviceRow("server", "real", 1.0, {})]
            for number, g in enumerate(governors, 1)
        }
    )


def _sentinels(device: str, *seconds: float) -> list[Sentinel]:
    """A block each."""
    return [
        Sentinel("lan", block, device, "", AT, tuple(each * (1 + 0.001 * (i % 5)) for i in range(21)))
        for block, each in enumerate(seconds)
    ]


def test_a_change_of_a_device_is_no_drift_and_one_after_it_is() -> None:
    found = _found("ondemand", "performance")
    environments = (1, 1, 2, 2)
    steady = list(zip(environments, _sentinels("pi", 0.04, 0.04, 0.03, 0.03), strict=True))
    assert not any(each.change.flagged for each in drifts(steady, found))
    assert drift_variances(steady, found, "lan") == {}
    slower = list(zip(environments, _sentinels("pi", 0.04, 0.04, 0.03, 0.036), strict=True))
    assert [each.change.flagged for each in drifts(slower, found)] == [False, False, False, True]
    assert drift_variances(slower, found, "lan").keys() == {("pi",)}


def test_another_device_that_stays_as_it_is_drifts_through_that_change() -> None:
    found = _found("ondemand", "performance")
    taken = list(zip((1, 1, 2), _sentinels("server", 0.04, 0.04, 0.05), strict=True))
    assert [each.change.flagged for each in drifts(taken, found)] == [False, False, True]
