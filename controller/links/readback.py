"""Check a device's shaping against a network, from its worker's reading of the kernel."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from controller.errors import DeviceError
from controller.experiment.networks import AS_IS, Direction, Network
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.links.shaping import conditions_of

__all__ = ["is_shaped_as", "link_check"]

# The handle of edgecut_link's root qdisc alone.
_HANDLE = "ec:"
# edgecut_link's qdiscs with conditions.
_LIMITING = ("netem", "tbf")
# The kernel counts in whole bytes a second, ticks and 2^-32.
_SHARE = 0.01
# The rate of a link with jitter and no rate, which keeps packets in order (see edgecut_link).
_NO_RATE_MBIT = 100_000.0

_MOST_MBIT = 0.9 * _NO_RATE_MBIT


def link_check(lab: Lab, name: str, network: Network) -> Callable[[ClaimedWorker], None]:
    """Return a check that a claimed worker's link matches `network`; it raises DeviceError otherwise.

    The check passes every device whose links tc does not shape.
    """

    def check(worker: ClaimedWorker) -> None:
        if worker.device.shaping != "tc":
            return
        qdiscs = worker.info.stamp.get("qdisc")
        if not isinstance(qdiscs, str):
            raise DeviceError(
                worker.name,
                "its worker does not watch the link (--qdisc-of); run `edgecut deploy` again",
                lasting=True,
            )
        general, differing = conditions_of(lab, worker.device, network)
        requested = [conditions for conditions in (general, *differing) if conditions.limited]
        if not is_shaped_as(requested, qdiscs):
            problem = "its link is shaped" if name == AS_IS else f"its link does not match network {name!r}"
            raise DeviceError(
                worker.name,
                f"{problem}: it has {_in_words(qdiscs)}; run `edgecut sweep`, which shapes it",
                lasting=True,
            )

    return check


def is_shaped_as(requested: list[Direction], qdiscs_json: str) -> bool:
    """Whether these qdiscs (the JSON of `tc -j qdisc show`) impose exactly the requested conditions."""
    qdiscs = json.loads(qdiscs_json)
    if not any(qdisc.get("root") and qdisc.get("handle") == _HANDLE for qdisc in qdiscs):
        return not requested
    left = [qdisc for qdisc in qdiscs if qdisc.get("kind") in _LIMITING]
    for conditions in requested:
        match = next((qdisc for qdisc in left if _imposes(conditions, qdisc)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _imposes(way: Direction, qdisc: Mapping[str, Any]) -> bool:
    imposed = _conditions(qdisc)
    unlimited = not imposed.rate_mbit or imposed.rate_mbit > _MOST_MBIT
    rate_fits = unlimited if way.rate_mbit is None else _close(imposed.rate_mbit or 0.0, way.rate_mbit)
    return (
        rate_fits
        and _close(imposed.delay_ms, way.delay_ms)
        and _close(imposed.jitter_ms, way.jitter_ms)
        and _close(imposed.loss_percent, way.loss_percent)
    )


def _conditions(qdisc: Mapping[str, Any]) -> Direction:
    """The conditions that a netem or tbf imposes; tbf knows a rate alone."""
    options: Mapping[str, Any] = qdisc.get("options") or {}
    delay, rate = options.get("delay") or {}, options.get("rate")
    bytes_per_s = rate.get("rate", 0) if isinstance(rate, Mapping) else rate or 0
    return Direction(
        delay_ms=1e3 * delay.get("delay", 0),
        jitter_ms=1e3 * delay.get("jitter", 0),
        rate_mbit=8 * bytes_per_s / 1e6,
        loss_percent=100 * (options.get("loss-random") or {}).get("loss", 0),
    )


def _close(imposed: float, requested: float) -> bool:
    return math.isclose(imposed, requested, rel_tol=_SHARE, abs_tol=1e-3)


def _in_words(qdiscs_json: str) -> str:
    """The qdiscs in one line; after the end of a lease, the kernel's own."""
    return " + ".join(_one_in_words(qdisc) for qdisc in json.loads(qdiscs_json)) or "no qdisc"


def _one_in_words(qdisc: Mapping[str, Any]) -> str:
    if qdisc.get("kind") not in _LIMITING:
        return str(qdisc.get("kind"))
    imposed = _conditions(qdisc)
    conditions = f"{imposed.delay_ms:g} ms, {imposed.rate_mbit:g} Mbit/s, loss {imposed.loss_percent:g} %"
    return f"{qdisc['kind']} {conditions}"
