"""What `search: planned` cannot be asked for: cells that nothing predicts."""

from controller.errors import ExperimentError
from controller.experiment.codec_assignment import is_by_link
from controller.experiment.load import OFFLINE
from controller.results import CHAIN, SOCKET, Cell

__all__ = ["check_plannable"]


def check_plannable(cell: Cell) -> None:
    """Refuse a cell of which there is no prediction.

    Raises:
        ExperimentError: Names the key to blame.
    """
    for key, value, usual in (
        ("loads", cell.load, OFFLINE),
        ("topologies", cell.topology, CHAIN),
        ("backends", cell.backend, SOCKET),
        ("source", cell.source, "first"),
        ("prefetches", cell.prefetch, None),
    ):
        if value != usual:
            raise ExperimentError(
                f"key 'search': planned needs predictions, and there are none of {key} {value!r}; leave "
                f"{key} at {'null' if usual is None else repr(usual)}, or sweep with search: exhaustive"
            )
    if is_by_link(cell.codec):
        raise ExperimentError(
            f"key 'search': planned needs predictions, and there are none of codecs that differ from link to "
            f"link ({cell.codec!r}); name one for all links under 'codecs', or sweep with search: exhaustive"
        )
    if len(set(cell.devices)) < len(cell.devices):
        raise ExperimentError(
            f"key 'search': planned needs predictions, and there are none of several stages on one device "
            f"({', '.join(cell.devices)}); sweep with search: exhaustive"
        )
