"""The controller's own part in a pipeline: source and sink in place of the first device, the hub, or both."""

import socket
from collections.abc import Mapping
from typing import Self

from controller.errors import DeviceError
from controller.experiment.topology import goes_through_controller
from controller.lab.inventory import Device, Lab
from controller.pipeline.deployment import PipelinePlan
from controller.results import Cell
from exporter.bundle import Bundle
from worker.endpoint import Samples, StandaloneEndpoint
from worker.wire.security import OPEN, Security

__all__ = ["ControllerEndpoint"]

_EVERY_ADDRESS = "0.0.0.0"


class ControllerEndpoint(StandaloneEndpoint):
    """The part of a pipeline that is in this process, with a data port.

    Attributes:
        addresses: By device, the host and port under which that device reaches us.
    """

    def __init__(self, own_hosts: Mapping[str, str], security: Security = OPEN) -> None:
        """`own_hosts`: by device, our address on the way to it. `security` is that of the lab."""
        hosts = set(own_hosts.values())
        super().__init__(host=hosts.pop() if len(hosts) == 1 else _EVERY_ADDRESS, security=security)
        self._has_endpoint = False
        self.addresses = {name: (host, self.data_port) for name, host in own_hosts.items()}

    @classmethod
    def of(cls, cell: Cell, lab: Lab) -> Self | None:
        """Listen for the devices of a cell; None where the controller has no part in it.

        Raises:
            DeviceError: There is no way to one of them.
            LabError: No such device, or the lab's key cannot be read.
        """
        if not goes_through_controller(cell):
            return None
        own_hosts = {name: _host_towards(lab.device(name)) for name in cell.devices}
        return cls(own_hosts, lab.load_security())

    def build_planned(self, plan: PipelinePlan, depth: int, bundle: Bundle) -> None:
        """Stand ready for the links that end here.

        Raises:
            WorkerError: The samples do not fit the pipeline.
        """
        self._has_endpoint = plan.has_controller_endpoint
        stored = bundle.samples() if self._has_endpoint else None
        self.build(
            plan.name,
            plan.controller_links,
            depth,
            endpoint=plan.endpoint_spec if self._has_endpoint else None,
            samples=Samples(inputs=stored.inputs, answers=stored.answers) if stored else None,
            relays=plan.relays,
        )

    def take_records(self) -> bytes:
        """Rows of the last run, as they would come from a worker; none where the endpoint is on a device."""
        return self.take_rows().tobytes() if self._has_endpoint else b""


def _host_towards(device: Device) -> str:
    """Our address by which that device can reach us."""
    # Connecting a datagram socket sends nothing: it only makes the kernel choose the way.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((device.host, 9))
        except OSError as error:
            raise DeviceError(
                device.name,
                f"its requests come through the controller, which has no IPv4 route to {device.host!r}: "
                f"{error.strerror}",
            ) from error
        return str(probe.getsockname()[0])
