"""Whether the links of a cell can be given the conditions of its network."""

from dataclasses import fields

from controller.errors import ExperimentError
from controller.experiment.backend import check_backend
from controller.experiment.codec_assignment import is_by_link
from controller.experiment.networks import Network
from controller.experiment.schema import DIMENSIONS
from controller.experiment.topology import CONTROLLER, goes_through_controller
from controller.results import Cell, Settings

__all__ = ["check_feasible", "check_plannable"]

_PREDICTED = ("depth", "batch", "codec", "threads")
"""Settings of cells that a prediction takes into account."""


def check_feasible(cell: Cell, network: Network) -> None:
    """Refuse conditions that nothing would impose, so that no result claims them.

    Raises:
        ExperimentError: Loss on an emulated link, which TCP would hide from an emulation above it; or a
            controller that requests come through where tc shapes links: nothing shapes the controller's own;
            or what its backend cannot do.
    """
    check_backend(cell, network)
    directions = network.every_direction()
    loss_percent = max(conditions.loss_percent for conditions in directions)
    if cell.shaping == "emulated" and loss_percent:
        raise ExperimentError(
            f"network {cell.network!r}: key 'loss_percent' is {loss_percent:g}, but an emulated link "
            f"cannot lose packets; use a lab with tc, or a network without loss"
        )
    if cell.shaping == "tc" and goes_through_controller(cell) and any(way.limited for way in directions):
        what, instead = (
            ("key 'source' is 'controller'", "source: first")
            if cell.source == CONTROLLER
            else ("key 'topologies' has 'hub'", "topologies: [chain]")
        )
        raise ExperimentError(
            f"{what}, but tc shapes the devices' links, not the controller's own, so network "
            f"{cell.network!r} would hold for a part of the way only; use {instead}, or emulated links"
        )


def check_plannable(cell: Cell) -> None:
    """Refuse a cell of which there is no prediction.

    Raises:
        ExperimentError: Names the key to blame.
    """
    usual_of = {setting.name: setting.default for setting in fields(Settings)}
    for setting, key in DIMENSIONS.items():
        value, usual = getattr(cell, setting), usual_of[setting]
        if setting not in _PREDICTED and value != usual:
            raise ExperimentError(
                f"key 'search': planned cannot predict {key} {value!r}; leave "
                f"{key} at {'null' if usual is None else repr(usual)}, or sweep with search: exhaustive"
            )
    if is_by_link(cell.codec):
        raise ExperimentError(
            f"key 'search': planned cannot predict codecs that differ from link to "
            f"link ({cell.codec!r}); name one for all links under 'codecs', or sweep with search: exhaustive"
        )
    if len(set(cell.devices)) < len(cell.devices):
        raise ExperimentError(
            f"key 'search': planned cannot predict several stages on one device "
            f"({', '.join(cell.devices)}); sweep with search: exhaustive"
        )
