"""Whether the links of a cell can be given the conditions of its network profile."""

from controller.errors import ExperimentError
from controller.experiment.backend import check_backend
from controller.experiment.networks import NetworkProfile
from controller.pipeline.deployment import CONTROLLER, goes_through_controller
from controller.results import Cell

__all__ = ["check_imposable"]


def check_imposable(cell: Cell, profile: NetworkProfile) -> None:
    """Refuse what nobody would impose, so that no result claims it.

    Raises:
        ExperimentError: Loss on an emulated link, which TCP would hide from an emulation above it; or a
            controller that requests come through where tc shapes links: nothing shapes the controller's own;
            or what its backend cannot do.
    """
    check_backend(cell, profile)
    directions = profile.every_direction()
    loss_percent = max(conditions.loss_percent for conditions in directions)
    if cell.link == "emulated" and loss_percent:
        raise ExperimentError(
            f"network profile {cell.profile!r}: key 'loss_percent' is {loss_percent:g}, but an emulated link "
            f"cannot lose packets; use a lab with tc, or a profile without loss"
        )
    if cell.link == "tc" and goes_through_controller(cell) and any(way.limited for way in directions):
        what, instead = (
            ("key 'source' is 'controller'", "source: first")
            if cell.source == CONTROLLER
            else ("key 'topologies' has 'hub'", "topologies: [chain]")
        )
        raise ExperimentError(
            f"{what}, but tc shapes the devices' links, not the controller's own, so network profile "
            f"{cell.profile!r} would hold for a part of the way only; use {instead}, or emulated links"
        )
