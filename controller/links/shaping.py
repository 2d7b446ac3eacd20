"""The conditions that a device must impose on its outgoing data, as arguments of edgecut_link."""

import socket

from controller.errors import LabError
from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Device, Lab

__all__ = ["conditions_of", "shaping_arguments"]


def shaping_arguments(lab: Lab, network: Network) -> dict[str, list[str]]:
    """Arguments of `edgecut_link apply` for each device of the lab whose links tc shapes.

    Raises:
        LabError: A device's host has no address.
    """
    ports = sorted({device.data_port for device in lab.devices})
    common = [word for port in ports for word in ("--data-port", str(port))]
    return {
        device.name: ["--address", _address(device), *common, *_towards_all(lab, device, network)]
        for device in lab.devices
        if device.shaping == "tc"
    }


def _towards_all(lab: Lab, device: Device, network: Network) -> list[str]:
    """The default conditions, then those of devices that differ."""
    general, differing = conditions_of(lab, device, network)
    words = _words(general)
    # Devices without conditions come last: successive addresses share the conditions after them.
    for conditions, others in sorted(differing.items(), key=lambda item: not item[0].limited):
        words += [word for other in others for word in ("--to", _address(other))]
        words += _words(conditions)
    return words


def _words(direction: Direction) -> list[str]:
    values = {
        "--delay-ms": direction.delay_ms,
        "--jitter-ms": direction.jitter_ms,
        "--rate-mbit": direction.rate_mbit,
        "--loss-percent": direction.loss_percent,
    }
    return [word for option, value in values.items() if value for word in (option, f"{value:g}")]


def _address(device: Device) -> str:
    try:
        return str(socket.getaddrinfo(device.host, device.data_port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise LabError(
            f"device {device.name}: host {device.host!r} has no address ({error.strerror}); correct its "
            f"ansible_host or name resolution"
        ) from error


def conditions_of(
    lab: Lab, device: Device, network: Network
) -> tuple[Direction, dict[Direction, tuple[Device, ...]]]:
    """The conditions that `device` imposes by default, and those towards devices that differ.

    It imposes the network's forward conditions towards later devices in the lab's order, the backward ones
    towards earlier devices, a pair's own towards a device of the network's pairs, and forward ones towards
    any other host.
    """
    general = _bare(network.direction(forward=True))
    differing: dict[Direction, tuple[Device, ...]] = {}
    for other in lab.devices:
        if other is device:
            continue
        forward = lab.is_forward(device.name, other.name)
        conditions = _bare(network.between(device.name, other.name, forward=forward))
        if conditions != general:
            differing[conditions] = (*differing.get(conditions, ()), other)
    return general, differing


def _bare(direction: Direction) -> Direction:
    """Strip a network, which is a direction with more attributes, to its conditions."""
    return Direction(
        delay_ms=direction.delay_ms,
        jitter_ms=direction.jitter_ms,
        rate_mbit=direction.rate_mbit,
        loss_percent=direction.loss_percent,
    )
