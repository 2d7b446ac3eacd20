"""Requested and measured links, network by network."""

from collections.abc import Mapping
from typing import Any

from analysis.data.sweep import Sweep
from analysis.report.words import figure
from controller.results import MeasuredLink

__all__ = ["measured_links"]


def measured_links(sweep: Sweep) -> list[dict[str, Any]]:
    """A table for each network whose links were measured, in the experiment's order, others after.

    Its rows are directions of a link. Each figure is in words, `-` where nothing was requested or measured.
    """
    order = [p.name for p in sweep.networks]
    names = sorted(
        {k.network for k in sweep.links}, key=lambda n: (order.index(n) if n in order else len(order), n)
    )
    links = {name: [k for k in sweep.links if k.network == name] for name in names}
    return [
        {"network": name, "taken_at": max(k.taken_at for k in found), "rows": [_row(k) for k in found]}
        for name, found in links.items()
    ]


def _row(link: MeasuredLink) -> dict[str, str]:
    requested, measured = link.requested, link.measured
    sent_all = "" if measured.get("filled", True) else ", all that was sent"
    lost = f"{measured.get('lost')} of {measured.get('datagrams')}"
    return {
        "way": f"{link.sender} \N{RIGHTWARDS ARROW} {link.receiver}",
        "round_trip_requested": _figure(requested, "round_trip_ms"),
        "round_trip": _figure(measured, "round_trip_ms"),
        "rate_requested": _figure(requested, "rate_mbit"),
        "rate": _figure(measured, "rate_mbit") + sent_all,
        # A loss of 0 was not requested.
        "loss_requested": _figure(requested, "loss_percent") if requested.get("loss_percent") else "-",
        "loss": f"{_figure(measured, 'loss_percent')} ({lost})",
        "tcp": _figure(measured, "tcp_mbit"),
    }


def _figure(conditions: Mapping[str, Any], key: str) -> str:
    value = conditions.get(key)
    return "-" if value is None else figure(value)
