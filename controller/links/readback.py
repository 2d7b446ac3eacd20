"""Whether a device's link is shaped as a network asks, by what its worker reads of its kernel."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from controller.errors import DeviceError
from controller.experiment.networks import AS_IS, Direction, Network
from controller.lab.inventory import Lab
from controller.lab.worker_client import ClaimedWorker
from controller.links.conditions import conditions_of

__all__ = ["is_shaped_as", "link_check"]

# The root that edgecut_link gives an interface, and no other.
_HANDLE = "ec:"
# The kernel counts in whole bytes a second, ticks and 2^-32.
_SHARE = 0.01
# Given to a link with jitter and no rate, so that packets stay in order (see edgecut_link).
_NO_RATE_MBIT = 100_000.0

_MOST_MBIT = 0.9 * _NO_RATE_MBIT


def link_check(lab: Lab, name: str, network: Network) -> Callable[[ClaimedWorker], None]:
    """What tells of a claimed worker whether its link is as it must be for trials under `network`.

    Of a device whose link tc does not shape it says nothing. What it gives back raises DeviceError.
    """

    def check(worker: ClaimedWorker) -> None:
        if worker.device.shaping != "tc":
            return
        told = worker.info.stamp.get("qdisc")
        if not isinstance(told, str):
            raise DeviceError(
                worker.name,
                "its worker does not watch the link (--qdisc-of); run ansible/deploy.yml again",
                lasting=True,
            )
        general, differing = conditions_of(lab, worker.device, network)
        wanted = [conditions for conditions in (general, *differing) if conditions.limited]
        if not is_shaped_as(wanted, told):
            be = "without shaping" if name == AS_IS else f"as network {name!r} asks"
            raise DeviceError(
                worker.name,
                f"its link is not {be}; it has {_in_words(told)}; ansible/sweep.yml shapes it",
                lasting=True,
            )

    return check


def is_shaped_as(wanted: list[Direction], told: str) -> bool:
    """Whether these qdiscs (the JSON of `tc -j qdisc show`) impose just these conditions."""
    qdiscs = json.loads(told)
    if not any(qdisc.get("root") and qdisc.get("handle") == _HANDLE for qdisc in qdiscs):
        return not wanted
    left = [qdisc.get("options") or {} for qdisc in qdiscs if qdisc.get("kind") == "netem"]
    for conditions in wanted:
        match = next((options for options in left if _imposes(conditions, options)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _imposes(asked: Direction, options: Mapping[str, Any]) -> bool:
    delay = options.get("delay") or {}
    rate_mbit = 8 * (options.get("rate") or {}).get("rate", 0) / 1e6
    loss_share = (options.get("loss-random") or {}).get("loss", 0)
    found = (1e3 * delay.get("delay", 0), 1e3 * delay.get("jitter", 0), 100 * loss_share)
    wanted = (asked.delay_ms, asked.jitter_ms, asked.loss_percent)
    unlimited = not rate_mbit or rate_mbit > _MOST_MBIT
    rate_fits = unlimited if asked.rate_mbit is None else _close(rate_mbit, asked.rate_mbit)
    return rate_fits and all(map(_close, found, wanted))


def _close(found: float, wanted: float) -> bool:
    return math.isclose(found, wanted, rel_tol=_SHARE, abs_tol=1e-3)


def _in_words(told: str) -> str:
    """The qdiscs in one line; an end of the lease shows as the kernel's own."""
    return " + ".join(_one_in_words(qdisc) for qdisc in json.loads(told)) or "no qdisc"


def _one_in_words(qdisc: Mapping[str, Any]) -> str:
    options = qdisc.get("options") or {}
    if qdisc.get("kind") != "netem":
        return str(qdisc.get("kind"))
    delay_ms = 1e3 * (options.get("delay") or {}).get("delay", 0)
    rate_mbit = 8 * (options.get("rate") or {}).get("rate", 0) / 1e6
    loss_percent = 100 * (options.get("loss-random") or {}).get("loss", 0)
    return f"netem {delay_ms:g} ms, {rate_mbit:g} Mbit/s, loss {loss_percent:g} %"
