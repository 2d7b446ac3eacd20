"""Devices as they were, over all sweep calls that wrote to a results file."""

from controller.results.reading import Results
from controller.results.rows import DeviceRow

__all__ = ["known_devices"]


def known_devices(results: Results) -> tuple[DeviceRow, ...]:
    """Each device as it was when it was there last: a call may go without some of them."""
    found = {
        device.name: device for number, _, _ in results.environments() for device in results.devices(number)
    }
    return tuple(found.values())
