"""What each device has to be told so that its link is as a network profile asks."""

import socket
from typing import Any

from controller.errors import LabError
from controller.lab import Device, Lab
from controller.network_profiles import Direction, NetworkProfile

__all__ = ["shaping_arguments"]


def shaping_arguments(lab: Lab, profile: NetworkProfile) -> dict[str, list[str]]:
    """Arguments of `edgecut-link apply` for each device of the lab, the interface apart.

    Each device shapes what it sends: to the devices behind it in the chain as the profile's forward
    conditions say, to those before it as the backward ones do, and to anybody else as forward.

    Raises:
        LabError: A device's host has no address.
    """
    ports = sorted({device.data_port for device in lab.devices})
    common = [word for port in ports for word in ("--data-port", str(port))]
    return {
        device.name: [*common, *_conditions(profile.direction(forward=True)), *_others(lab, device, profile)]
        for device in lab.devices
    }


def _others(lab: Lab, device: Device, profile: NetworkProfile) -> list[str]:
    """What differs by who is at the other end."""
    position = lab.devices.index(device)
    backward = profile.direction(forward=False)
    before = lab.devices[:position]
    if not before or backward == profile.direction(forward=True):
        return []
    to = [word for other in before for word in ("--to", _address(other))]
    return [*to, *_conditions(backward)]


def _conditions(direction: Direction) -> list[str]:
    told: dict[str, Any] = {
        "--delay-ms": direction.delay_ms,
        "--jitter-ms": direction.jitter_ms,
        "--rate-mbit": direction.rate_mbit,
        "--loss-percent": direction.loss_percent,
    }
    return [word for option, value in told.items() if value for word in (option, f"{value:g}")]


def _address(device: Device) -> str:
    try:
        return str(socket.getaddrinfo(device.host, device.data_port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise LabError(
            f"device {device.name}: host {device.host!r} has no address ({error.strerror})"
        ) from error
