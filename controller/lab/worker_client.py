"""One device's worker, as the controller has it: asked, claimed, let go."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from controller.errors import HELD, DeviceError, how_lost
from controller.lab.inventory import Device
from worker.wire.control import ControlConnection
from worker.wire.errors import DeniedError, ProtocolError, RequestError, WorkerError
from worker.wire.messages import Claim, DeviceInfo, Query
from worker.wire.security import Security

__all__ = ["ClaimedWorker", "query"]

# Soon at first: a worker whose controller was lost is free in milliseconds.
_FIRST_RETRY_S = 0.02
_RETRY_S = 0.5
_CLAIM_TIMEOUT_S = 10.0


def query(device: Device, security: Security, *, timeout_s: float = 5.0) -> DeviceInfo:
    """Ask who is there; works while another controller holds the worker. `security` is that of its lab.

    Raises:
        DeviceError: Nobody is, or not a worker of our protocol.
    """
    with (
        _blame(device),
        ControlConnection.open(
            device.host, device.control_port, security, timeout_s=timeout_s, expected=device.name
        ) as connection,
    ):
        return connection.ask(Query(), timeout_s=timeout_s)


class ClaimedWorker:
    """A worker that is ours until closed.

    Attributes:
        holder: As whom it was claimed.
        connection: Its control connection; ask on it within `blame`.
        info: What the worker said of itself when it was claimed.
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
        """Connect and claim, trying again for `wait_s` while nobody answers or another holds it.

        Raises:
            DeviceError: It stayed so; or it is of another protocol or lab, where waiting would not help.
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
        """Ask on another connection who is there. Raises DeviceError: see `query`."""
        return query(self.device, self._security, timeout_s=timeout_s)

    def pulse(self, *, timeout_s: float) -> None:
        """See that it is there and awake, at less cost to it than by a question.

        Raises:
            DeviceError: It is not.
        """
        device = self.device
        with _blame(device):
            ControlConnection.open(
                device.host, device.control_port, self._security, timeout_s=timeout_s, expected=device.name
            ).close()

    @contextmanager
    def blame(self) -> Iterator[ControlConnection]:
        """The connection, with its errors named after this device.

        Raises:
            DeviceError: The worker was lost, or refuses.
        """
        with _blame(self.device):
            yield self.connection

    def close(self) -> None:
        """Let the worker go; it unloads what it had loaded."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


@contextmanager
def _blame(device: Device) -> Iterator[None]:
    try:
        yield
    except RequestError as error:
        cause = HELD if error.problem().kind == "busy" else None
        raise DeviceError(device.name, error.problem().text, cause=cause) from error
    except ProtocolError as error:
        raise DeviceError(
            device.name, f"{error}; deploy the same edgecut everywhere", lasting=True
        ) from error
    except DeniedError as error:
        raise DeviceError(
            device.name, f"{error}; run ansible/deploy.yml, or name its own lab with --lab", lasting=True
        ) from error
    except WorkerError as error:
        cause = how_lost(error)
        told = f"{error}; ansible/deploy.yml starts workers"
        raise DeviceError(device.name, told, cause=cause) from error
