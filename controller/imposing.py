"""Whether the links of a cell can be given the conditions of its network profile."""

from controller.errors import ExperimentError
from controller.network_profiles import NetworkProfile
from controller.pipeline import CONTROLLER
from controller.store import Cell

__all__ = ["check_imposable"]


def check_imposable(cell: Cell, profile: NetworkProfile) -> None:
    """Refuse what nobody would impose, so that no result claims it.

    Raises:
        ExperimentError: Loss on an emulated link, which TCP would hide from an emulation above it; or a
            controller as source on links that tc shapes, since nothing shapes the controller's own.
    """
    directions = profile.every_direction()
    loss_percent = max(conditions.loss_percent for conditions in directions)
    if cell.link == "emulated" and loss_percent:
        raise ExperimentError(
            f"network profile {cell.profile!r}: key 'loss_percent' is {loss_percent:g}, but an emulated link "
            f"cannot lose packets; use a lab with tc, or a profile without loss"
        )
    if cell.link == "tc" and cell.source == CONTROLLER and any(way.limited for way in directions):
        raise ExperimentError(
            f"key 'source' is 'controller', but tc shapes the devices' links, not the controller's own, so "
            f"network profile {cell.profile!r} would hold for a part of the way only; use source: first, or "
            f"emulated links"
        )
