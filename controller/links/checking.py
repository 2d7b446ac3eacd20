"""Probe every link of a lab one after the other, print a table, store it, and judge it."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from controller.console import plain_table, say, show_table
from controller.errors import DeviceError, LabError, LinkMismatch
from controller.experiment.networks import AS_IS, Direction, Network
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.lab.worker_pool import WorkerPool
from controller.links.bounds import Measured, requested_round_trip_ms, violations
from controller.links.probing import probe_link, reach
from controller.results import MeasuredLink, Store
from controller.results.provenance import now

__all__ = ["Check", "check_links", "check_reach"]

_WAIT_S = 5.0

# One correct link in a hundred has a loss outside its 99 % interval, and a briefly busy device looks like a
# slow link; a wrong link is wrong each time.
_ATTEMPTS = 3


@dataclass(frozen=True)
class _Checked:
    """One direction of a link: its conditions there and back, and its measurements."""

    sender: str
    receiver: str
    there: Direction
    back: Direction
    measured: Measured
    taken_at: str

    def row(self, network: str | None) -> MeasuredLink:
        """The link as the results file stores it."""
        requested = {
            "delay_ms": self.there.delay_ms,
            "jitter_ms": self.there.jitter_ms,
            "rate_mbit": self.there.rate_mbit,
            "loss_percent": self.there.loss_percent,
            "round_trip_ms": requested_round_trip_ms(self.there, self.back),
        }
        loss_percent, filled = self.measured.loss_percent, not _doubt(self.there, self.measured)
        return MeasuredLink(
            network=network or AS_IS,
            sender=self.sender,
            receiver=self.receiver,
            requested={} if network in (None, AS_IS) else requested,
            measured=asdict(self.measured) | {"loss_percent": loss_percent, "filled": filled},
            taken_at=self.taken_at,
        )


@dataclass(frozen=True)
class Check:
    """A check's options.

    Attributes:
        devices: The devices whose links to check.
        name: The network's name; None without a network.
        network: The links' conditions.
        judge: Whether links out of bounds are an error.
        without_lost: Continue without a device that does not answer or is lost.
    """

    devices: Sequence[str]
    name: str | None
    network: Network
    judge: bool
    without_lost: bool = False


def check_links(lab: Lab, check: Check, results: Path | None) -> None:
    """Probe every link between two devices, both ways, print a table, and store it in `results`.

    Args:
        lab: The devices.
        check: The links and their conditions.
        results: A results file, created if missing.

    Raises:
        LinkMismatch: A link is out of bounds.
        DeviceError: A device does not answer.
        LabError: tc does not shape these links.
    """
    kind = lab.shaping(check.devices)
    if check.judge and kind != "tc":
        raise LabError(
            f"lab {lab.name!r} has links with shaping {kind}, not tc, so nothing to judge; measure them with "
            f"--as-is"
        )
    checked = list(_probe_all(lab, check))
    _show(lab, check.name, checked)
    if results is not None:
        with Store.append(results) as store:
            store.add(*(link.row(check.name) for link in checked))
    if check.judge:
        _judge(check.name or AS_IS, checked)


def check_reach(lab: Lab, names: Sequence[str]) -> None:
    """Check that each of these devices reaches the data port of every other one.

    Raises:
        DeviceError: One does not; names both.
    """
    with WorkerPool(lab, names, _WAIT_S) as pool:
        for sender, receiver in itertools.permutations(pool.workers.values(), 2):
            try:
                reach(sender, receiver)
            except DeviceError as error:
                reason = str(error).removeprefix(f"{error.device}: ")
                raise DeviceError(
                    error.device, f"the link {sender.name} -> {receiver.name}: {reason}"
                ) from error


def _probe_all(lab: Lab, check: Check) -> Iterator[_Checked]:
    with WorkerPool(lab, check.devices, _WAIT_S, without_absent=check.without_lost) as pool:
        for error in pool.absent:
            say(f"skipping its links: {error}")
        for sender, receiver in itertools.permutations(check.devices, 2):
            if sender not in pool.workers or receiver not in pool.workers:
                continue
            say(f"probing {sender} -> {receiver}")
            try:
                yield _probe(lab, check, pool.workers[sender], pool.workers[receiver])
            except DeviceError as error:
                lost = pool.recover() if check.without_lost else []
                if not {one.device for one in lost} & {sender, receiver}:
                    raise
                say(f"skipping its links: {error}")


def _probe(lab: Lab, check: Check, sender: ClaimedWorker, receiver: ClaimedWorker) -> _Checked:
    """Probe a link, and again if it is out of bounds: a device may have been busy for a moment."""
    forward = lab.is_forward(sender.name, receiver.name)
    there = check.network.between(sender.name, receiver.name, forward=forward)
    back = check.network.between(receiver.name, sender.name, forward=not forward)
    for _ in range(_ATTEMPTS if check.judge else 1):
        taken_at = now()
        measured = probe_link(sender, receiver, there)
        if not violations(there, back, measured):
            break
    return _Checked(sender.name, receiver.name, there, back, measured, taken_at)


def _show(lab: Lab, name: str | None, checked: list[_Checked]) -> None:
    heading = f"network {name}, measured (requested)" if name else "links as they are"
    table = plain_table(f"lab {lab.name}, {heading}", "round trip ms", "Mbit/s", "loss %", "TCP Mbit/s")
    for link in checked:
        there, m = link.there, link.measured
        table.add_row(
            f"{link.sender} -> {link.receiver}",
            _figures(m.round_trip_ms, requested_round_trip_ms(there, link.back)),
            _figures(m.rate_mbit, there.rate_mbit) + _doubt(there, m),
            _figures(m.loss_percent, there.loss_percent or None),
            _figures(m.tcp_mbit, None),
        )
    show_table(table)


def _doubt(there: Direction, measured: Measured) -> str:
    if there.rate_mbit is None or measured.filled(there.rate_mbit, there.loss_percent):
        return ""
    return ", all that was sent"


def _figures(measured: float | None, requested: float | None) -> str:
    return _figure(measured) if requested is None else f"{_figure(measured)} ({_figure(requested)})"


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _judge(name: str, checked: list[_Checked]) -> None:
    wrong = [(link, text) for link in checked for text in violations(link.there, link.back, link.measured)]
    if not wrong:
        return
    link, text = wrong[0]
    more = f" ({len(wrong) - 1} more, see the table)" if len(wrong) > 1 else ""
    raise LinkMismatch(
        f"{link.sender}: its link to {link.receiver} does not match network {name!r}: {text}{more}; "
        f"shape it again, or measure without judging with --as-is"
    )
