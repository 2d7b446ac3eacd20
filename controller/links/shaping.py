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
    conditions say, to those before it as the backward ones do, to one that is named in its pairs as these
    say, and to anybody else as forward.

    Raises:
        LabError: A device's host has no address.
    """
    ports = sorted({device.data_port for device in lab.devices})
    common = [word for port in ports for word in ("--data-port", str(port))]
    return {device.name: [*common, *_towards_all(lab, device, profile)] for device in lab.devices}


def _towards_all(lab: Lab, device: Device, profile: NetworkProfile) -> list[str]:
    """Conditions for everybody, then for those devices to which they differ."""
    general = _conditions(profile.direction(forward=True))
    differing: dict[tuple[str, ...], list[Device]] = {}
    position = lab.devices.index(device)
    for other_position, other in enumerate(lab.devices):
        if other is device:
            continue
        conditions = _conditions(profile.between(device.name, other.name, forward=position < other_position))
        if conditions != general:
            differing.setdefault(tuple(conditions), []).append(other)
    words = list(general)
    # Those without conditions come last: addresses that follow each other share the conditions after them.
    for told, others in sorted(differing.items(), key=lambda item: not item[0]):
        words += [word for other in others for word in ("--to", _address(other))]
        words += told
    return words


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
