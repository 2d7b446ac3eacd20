"""Links as they were asked for against links as they were measured, network by network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.data.sweep import Sweep
from analysis.report.words import figure
from controller.results import MeasuredLink

__all__ = ["LinkRow", "NetworkLinks", "measured_links"]


@dataclass(frozen=True)
class LinkRow:
    """One direction of a link; each figure in words, `-` where nothing was asked or measured."""

    way: str
    round_trip_asked: str
    round_trip: str
    rate_asked: str
    rate: str
    loss_asked: str
    loss: str
    tcp: str


@dataclass(frozen=True)
class NetworkLinks:
    """All that was measured under one network, and when."""

    network: str
    taken_at: str
    rows: tuple[LinkRow, ...]


def measured_links(sweep: Sweep) -> list[NetworkLinks]:
    """A table for each network whose links were measured, in the experiment's order, others after."""
    order = [p.name for p in sweep.networks]
    names = sorted(
        {k.network for k in sweep.links}, key=lambda n: (order.index(n) if n in order else len(order), n)
    )
    return [_of_network(name, [k for k in sweep.links if k.network == name]) for name in names]


def _of_network(name: str, links: Sequence[MeasuredLink]) -> NetworkLinks:
    return NetworkLinks(name, max(k.taken_at for k in links), tuple(_row(k) for k in links))


def _row(link: MeasuredLink) -> LinkRow:
    asked, measured = link.asked, link.measured
    return LinkRow(
        way=f"{link.sender} \N{RIGHTWARDS ARROW} {link.receiver}",
        round_trip_asked=_figure(asked, "round_trip_ms"),
        round_trip=_figure(measured, "round_trip_ms"),
        rate_asked=_figure(asked, "rate_mbit"),
        rate=_figure(measured, "rate_mbit") + ("" if measured.get("filled", True) else ", all that was sent"),
        # A loss of 0 is none that was asked for.
        loss_asked=_figure(asked, "loss_percent") if asked.get("loss_percent") else "-",
        loss=f"{_figure(measured, 'loss_percent')} ({measured.get('lost')} of {measured.get('datagrams')})",
        tcp=_figure(measured, "tcp_mbit"),
    )


def _figure(told: Mapping[str, Any], key: str) -> str:
    value = told.get(key)
    return "-" if value is None else figure(value)
