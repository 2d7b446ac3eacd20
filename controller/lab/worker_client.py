"""The controller's client of one device's worker: query, claim and release it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from controller.errors import HELD, DeviceError, how_lost
from controller.lab.inventory import Device
from worker.wire.control import ControlConnection
from worker.wire.errors import DeniedError, ProtocolError, RequestError, WorkerError
from worker.wire.messages import Claim, DeviceInfo, Query
from worker.wire.security import Security

__all__ = ["ClaimedWorker", "query"]

# Short at first: a worker becomes free milliseconds after losing its controller.
_FIRST_RETRY_S = 0.02
_RETRY_S = 0.5
_CLAIM_TIMEOUT_S = 10.0


def query(device: Device, security: Security, *, timeout_s: float = 5.0) -> DeviceInfo:
    """Query a worker, even while another controller holds it, with its lab's `security`.

    Raises:
        DeviceError: No worker of our protocol answers.
    """
    with (
        _blame(device),
        ControlConnection.open(
            device.host, device.control_port, security, timeout_s=timeout_s, expected=device.name
        ) as connection,
    ):
        return connection.ask(Query(), timeout_s=timeout_s)


class ClaimedWorker:
    """A worker that this controller holds until closed.

    Attributes:
        holder: The holder's name in the claim.
        connection: Its control connection, for use within `blame`.
        info: The worker's report at the claim.
        has: Digests of the bundles and shards that it is known to have.
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
        """Connect and claim, and retry for `wait_s` while no worker answers or another controller holds it.

        Raises:
            DeviceError: The wait was in vain, or useless: the worker is of another protocol or lab.
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
        connection = ControlConnection.open(device.host, device.control_port, security, expected=device.name)
        try:
            info = connection.ask(Claim(holder=holder), timeout_s=_CLAIM_TIMEOUT_S).device
        except BaseException:
            connection.close()
            raise
        return cls(device, security, connection, info, holder)

    @property
    def name(self) -> str:
        """The device's name."""
        return self.device.name

    def query(self, *, timeout_s: float) -> DeviceInfo:
        """Query the worker on another connection; raises DeviceError like the function `query`."""
        return query(self.device, self._security, timeout_s=timeout_s)

    def pulse(self, *, timeout_s: float) -> None:
        """Check that the worker answers, at less cost to it than a query.

        Raises:
            DeviceError: It does not answer.
        """
        device = self.device
        with _blame(device):
            ControlConnection.open(
                device.host, device.control_port, self._security, timeout_s=timeout_s, expected=device.name
            ).close()

    @contextmanager
    def blame(self) -> Iterator[ControlConnection]:
        """Yield the connection, and turn its errors into this device's.

        Raises:
            DeviceError: The worker was lost, or refuses.
        """
        with _blame(self.device):
            yield self.connection

    def close(self) -> None:
        """Release the worker, which then unloads its stages."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@contextmanager
def _blame(device: Device) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        cause = HELD if error.told.kind == "busy" else None
        raise DeviceError(device.name, error.told.text, cause=cause) from error
    except ProtocolError as error:
        raise DeviceError(
            device.name, f"{error}; deploy the same version of edgecut everywhere", lasting=True
        ) from error
    except DeniedError as error:
        raise DeviceError(
            device.name, f"{error}; run ansible/deploy.yml, or name its own lab with --lab", lasting=True
        ) from error
    except WorkerError as error:
        text = f"{error}; ansible/deploy.yml starts workers"
        raise DeviceError(device.name, text, cause=how_lost(error)) from error
