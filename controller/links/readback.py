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
                "its worker does not watch the link (--qdisc-of); run ansible/deploy.yml again",
                lasting=True,
            )
        general, differing = conditions_of(lab, worker.device, network)
        requested = [conditions for conditions in (general, *differing) if conditions.limited]
        if not is_shaped_as(requested, qdiscs):
            problem = "its link is shaped" if name == AS_IS else f"its link does not match network {name!r}"
            raise DeviceError(
                worker.name,
                f"{problem}: it has {_in_words(qdiscs)}; run ansible/sweep.yml, which shapes it",
                lasting=True,
            )

    return check


def is_shaped_as(requested: list[Direction], qdiscs_json: str) -> bool:
    """Whether these qdiscs (the JSON of `tc -j qdisc show`) impose exactly the requested conditions."""
    qdiscs = json.loads(qdiscs_json)
    if not any(qdisc.get("root") and qdisc.get("handle") == _HANDLE for qdisc in qdiscs):
        return not requested
    left = [qdisc.get("options") or {} for qdisc in qdiscs if qdisc.get("kind") == "netem"]
    for conditions in requested:
        match = next((options for options in left if _imposes(conditions, options)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _imposes(way: Direction, options: Mapping[str, Any]) -> bool:
    delay = options.get("delay") or {}
    rate_mbit = 8 * (options.get("rate") or {}).get("rate", 0) / 1e6
    loss_share = (options.get("loss-random") or {}).get("loss", 0)
    imposed = (1e3 * delay.get("delay", 0), 1e3 * delay.get("jitter", 0), 100 * loss_share)
    requested = (way.delay_ms, way.jitter_ms, way.loss_percent)
    unlimited = not rate_mbit or rate_mbit > _MOST_MBIT
    rate_fits = unlimited if way.rate_mbit is None else _close(rate_mbit, way.rate_mbit)
    return rate_fits and all(map(_close, imposed, requested))


def _close(imposed: float, requested: float) -> bool:
    return math.isclose(imposed, requested, rel_tol=_SHARE, abs_tol=1e-3)


def _in_words(qdiscs_json: str) -> str:
    """The qdiscs in one line; after the end of a lease, the kernel's own."""
    return " + ".join(_one_in_words(qdisc) for qdisc in json.loads(qdiscs_json)) or "no qdisc"


def _one_in_words(qdisc: Mapping[str, Any]) -> str:
    options = qdisc.get("options") or {}
    if qdisc.get("kind") != "netem":
        return str(qdisc.get("kind"))
    delay_ms = 1e3 * (options.get("delay") or {}).get("delay", 0)
    rate_mbit = 8 * (options.get("rate") or {}).get("rate", 0) / 1e6
    loss_percent = 100 * (options.get("loss-random") or {}).get("loss", 0)
    return f"netem {delay_ms:g} ms, {rate_mbit:g} Mbit/s, loss {loss_percent:g} %"
