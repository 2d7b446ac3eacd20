"""Which conditions a device has to impose on what it sends, by whom it sends to."""

from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Device, Lab

__all__ = ["conditions_of"]


def conditions_of(
    lab: Lab, device: Device, network: Network
) -> tuple[Direction, dict[Direction, tuple[Device, ...]]]:
    """What `device` imposes towards anybody, and what towards those devices for which it differs.

    To the devices behind it in the lab's order it imposes the network's forward conditions, to those before
    it the backward ones, to one that is named in the network's pairs what these say, and forward towards
    anybody else.
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
    """The conditions alone: a network is one too, with more to it."""
    return Direction(
        delay_ms=direction.delay_ms,
        jitter_ms=direction.jitter_ms,
        rate_mbit=direction.rate_mbit,
        loss_percent=direction.loss_percent,
    )
