"""The conditions that a device must impose on its outgoing data, by receiver."""

from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Device, Lab

__all__ = ["conditions_of"]


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
