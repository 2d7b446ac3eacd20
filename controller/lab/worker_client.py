"""One device's worker, from the controller's side: query, claim, release."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Self, TypeVar

from controller.errors import HELD, DeviceError, InvalidReply, how_lost, one_line
from controller.lab.inventory import Device, Lab
from worker.wire.control import ControlConnection
from worker.wire.errors import DeniedError, ProtocolError, ReplyError, RequestError, WorkerError
from worker.wire.messages import Claim, DeviceInfo, Message, Query, Request
from worker.wire.security import Security

__all__ = ["ClaimedWorker", "query", "query_all"]

# Short at first: a worker whose controller was lost is free in milliseconds.
_FIRST_RETRY_S = 0.02
_RETRY_S = 0.5
_CLAIM_TIMEOUT_S = 10.0

_ReplyT = TypeVar("_ReplyT", bound=Message)


def query(device: Device, security: Security, *, timeout_s: float = 5.0) -> DeviceInfo:
    """Query a worker, even while another controller holds it. `security` is that of its lab.

    Raises:
        DeviceError: No worker answers, or not one with our protocol.
    """
    with _blame(device), _connect(device, security, timeout_s=timeout_s) as connection:
        info = connection.ask(Query(), timeout_s=timeout_s)
    _require_name(device, info)
    return info


def query_all(
    lab: Lab, names: Sequence[str] | None = None, *, timeout_s: float = 5.0, without_absent: bool = False
) -> dict[str, DeviceInfo]:
    """Query these devices, or all of a lab.

    Args:
        without_absent: Leave out devices that do not answer.

    Raises:
        DeviceError: A device does not answer.
    """
    security = lab.load_security()
    infos = {}
    for device in lab.devices if names is None else [lab.device(name) for name in names]:
        with suppress(DeviceError) if without_absent else nullcontext():
            infos[device.name] = query(device, security, timeout_s=timeout_s)
    return infos


class ClaimedWorker:
    """A worker that this controller holds until closed.

    Attributes:
        holder: The name that claimed it.
        connection: Its control connection. Use `ask`, whose errors name the device.
        info: The worker's description when it was claimed.
        has: Digests of the bundles and shards that it has for certain.
    """

    def __init__(
        self,
        device: Device,
        security: Security,
        connection: ControlConnection,
        info: DeviceInfo,
        holder: str = "",
    ) -> None:
        self.device = device
        self.holder = holder
        self._security = security
        self.connection = connection
        self.info = info
        self.has: set[str] = set()

    @classmethod
    def claim(cls, device: Device, security: Security, holder: str, *, wait_s: float = 0.0) -> Self:
        """Connect and claim, retrying for `wait_s` while no worker answers or another controller holds it.

        Raises:
            DeviceError: Still so after `wait_s`; or another protocol, lab or device, where waiting would not
                help.
        """
        deadline = time.monotonic() + wait_s
        pause_s = _FIRST_RETRY_S
        with _blame(device):
            while True:
                try:
                    return cls._claim_once(device, security, holder)
                except (ProtocolError, DeniedError):
                    raise
                except WorkerError:
                    if time.monotonic() + pause_s > deadline:
                        raise
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _RETRY_S)

    @classmethod
    def _claim_once(cls, device: Device, security: Security, holder: str) -> Self:
        connection = _connect(device, security)
        try:
            info = connection.ask(Claim(holder=holder), timeout_s=_CLAIM_TIMEOUT_S).device
            _require_name(device, info)
        except BaseException:
            connection.close()
            raise
        return cls(device, security, connection, info, holder)

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    def query(self, *, timeout_s: float) -> DeviceInfo:
        """Query the worker on another connection. Raises DeviceError: see `query`."""
        return query(self.device, self._security, timeout_s=timeout_s)

    def pulse(self, *, timeout_s: float) -> None:
        """Check that the worker is alive, at less cost to it than a query.

        Raises:
            DeviceError: It does not answer.
        """
        with _blame(self.device):
            _connect(self.device, self._security, timeout_s=timeout_s).close()

    def ask(self, request: Request[_ReplyT], *, timeout_s: float) -> _ReplyT:
        """The worker's reply to a request.

        Raises:
            DeviceError: The worker was lost, or refuses.
        """
        with _blame(self.device):
            return self.connection.ask(request, timeout_s=timeout_s)

    def close(self) -> None:
        """Release the worker, which then unloads its stages."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def _connect(device: Device, security: Security, *, timeout_s: float = 5.0) -> ControlConnection:
    return ControlConnection.open(
        device.host, device.control_port, security, timeout_s=timeout_s, expected=device.name
    )


def _require_name(device: Device, info: DeviceInfo) -> None:
    """Raise DeviceError: another device has the address."""
    if info.name != device.name:
        raise DeviceError(
            device.name,
            f"the worker at {device.host}:{device.control_port} is {one_line(info.name)!r}, another device; "
            f"correct the lab file, or start the worker with --name {device.name}",
            lasting=True,
        )


@contextmanager
def _blame(device: Device) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        problem = error.problem()
        cause = HELD if problem.kind == "busy" else None
        raise DeviceError(device.name, problem.text, cause=cause) from error
    except ReplyError as error:
        raise InvalidReply(
            device.name, f"{error}; if this persists, deploy the same version of edgecut everywhere"
        ) from error
    except ProtocolError as error:
        raise DeviceError(
            device.name, f"{error}; deploy the same version of edgecut everywhere", lasting=True
        ) from error
    except DeniedError as error:
        raise DeviceError(
            device.name, f"{error}; run `edgecut deploy`, or name its own lab with --lab", lasting=True
        ) from error
    except WorkerError as error:
        raise DeviceError(
            device.name, f"{error}; `edgecut deploy` starts workers", cause=how_lost(error)
        ) from error
