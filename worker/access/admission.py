"""Limits on connection attempts: how many at once, and how often from one address."""

import ipaddress
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from worker.clock import clock
from worker.wire.stream import SocketStream

__all__ = ["BURST", "MAX_PENDING", "Admission"]

MAX_PENDING: Final = 16
"""Unproven connections at once; one more ends the oldest."""

BURST: Final = 20
"""Failed attempts that one address has at first; it regains `_FORGIVEN_PER_S`."""

_FORGIVEN_PER_S: Final = 2.0
_MAX_ADDRESSES: Final = 256


@dataclass
class _Debt:
    """Failed attempts of one address, less those forgiven since."""

    failures: float
    at_s: float
    is_refused: bool = False


class Admission:
    """Limits shared by the ports of one process, in bounded memory.

    Attributes:
        denied: Attempts that failed or were refused since the process began.
    """

    def __init__(self, *, limits: bool, log: Callable[[str], None], now: Callable[[], float] = clock) -> None:
        """`limits`: whether to refuse an address that failed too often; pointless without security."""
        self.denied = 0
        self._limits = limits
        self._log = log
        self._now = now
        self._lock = threading.Lock()
        self._pending: OrderedDict[SocketStream, None] = OrderedDict()
        self._debts: OrderedDict[str, _Debt] = OrderedDict()

    def may_try(self, host: str) -> bool:
        """Whether this address may try to connect; a refusal counts as denied."""
        with self._lock:
            if self._debt(_network(host)).failures < BURST or not self._limits:
                return True
            self.denied += 1
            return False

    def begin(self, stream: SocketStream) -> None:
        """Note a new connection; end the oldest unproven one if there are too many."""
        with self._lock:
            self._pending[stream] = None
            oldest = self._pending.popitem(last=False)[0] if len(self._pending) > MAX_PENDING else None
        if oldest is not None:
            oldest.shut()

    def end(self, stream: SocketStream) -> None:
        """Note that a connection has proved itself, or is closed."""
        with self._lock:
            self._pending.pop(stream, None)

    def failed(self, host: str) -> None:
        """Note a failed attempt from this address."""
        network = _network(host)
        with self._lock:
            self.denied += 1
            debt = self._debt(network)
            debt.failures += 1
            self._debts[network] = debt
            self._debts.move_to_end(network)
            if len(self._debts) > _MAX_ADDRESSES:
                self._debts.popitem(last=False)
            is_news = self._limits and debt.failures >= BURST and not debt.is_refused
            debt.is_refused = debt.is_refused or is_news
        if is_news:
            self._log(
                f"{network}: {BURST} failed attempts; it may now make {_FORGIVEN_PER_S:g} a second; "
                f"the rest are refused unseen and not logged"
            )

    def _debt(self, network: str) -> _Debt:
        now_s = self._now()
        debt = self._debts.get(network) or _Debt(0.0, now_s)
        debt.failures = max(0.0, debt.failures - (now_s - debt.at_s) * _FORGIVEN_PER_S)
        debt.at_s = now_s
        if debt.failures == 0:
            debt.is_refused = False
        return debt


def _network(host: str) -> str:
    """The part of an address that counts: in IPv6 the 64 bits that a subscriber cannot choose."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        return str(address.ipv4_mapped or ipaddress.ip_network((address, 64), strict=False))
    return str(address)
