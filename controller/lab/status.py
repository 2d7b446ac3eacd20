"""Who is there: the devices of a lab, one line each."""

from collections.abc import Sequence

from controller.console import output, plain_table
from controller.errors import DeviceError, one_line
from controller.lab.health import infer_once
from controller.lab.inventory import Device, Lab
from controller.lab.worker_client import ClaimedWorker, query
from controller.lab.worker_pool import holder_name
from worker.wire.security import Security

__all__ = ["show_status"]


def show_status(lab: Lab, names: Sequence[str], *, infer: bool) -> bool:
    """Print a table of these devices, with `infer` after a real inference on each.

    Returns:
        Whether every one is there (and computes right).

    Raises:
        LabError: The lab has no device of such a name, or its key cannot be read.
    """
    table = plain_table(
        f"lab {lab.name}", "kind", "control", "data", "slowdown", "provider", "links", "state"
    )
    well = True
    security = lab.load_security()
    for device in [lab.device(name) for name in names]:
        slowdown, provider, state = "", "", ""
        try:
            info = query(device, security)
            slowdown, provider = f"{info.slowdown:g}", info.provider
            state = f"held by {one_line(info.holder)} for {info.held_s:.0f} s" if info.holder else "idle"
            if infer:
                state = _inferred(device, security)
            if info.denied:
                state += f"; {info.denied} connections denied"
        except DeviceError as error:
            well = False
            state = str(error).removeprefix(f"{device.name}: ")
        table.add_row(
            device.name,
            device.kind,
            f"{device.host}:{device.control_port}",
            f"{device.data_port}",
            slowdown,
            provider,
            device.link,
            state,
        )
    output().print(table)
    return well


def _inferred(device: Device, security: Security) -> str:
    with ClaimedWorker.claim(device, security, holder_name()) as worker:
        infer_once(worker)
    return "inference right"
