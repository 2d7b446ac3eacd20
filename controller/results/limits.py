"""What limited a trial, and what of its latency and throughput moves with a device's or a link's speed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from controller.results.metrics import busy_share, network_s, stage_name
from controller.results.rows import BaselineTrial
from controller.results.trial import Link, Trial

__all__ = [
    "Limit",
    "Share",
    "baseline_shares",
    "latency_shares",
    "limit_of",
    "link_share",
    "link_uses",
    "throughput_shares",
]

_NEARLY_ALWAYS: Final = 0.9
"""A use above this share limits, whatever the others are."""


class Share(NamedTuple):
    """Bounds of a share of the time."""

    least: float
    most: float


_UNKNOWN: Final = Share(0.0, 1.0)


class Limit(NamedTuple):
    """The stage or link that was in use for the largest share of the time.

    Attributes:
        name: A stage's, or as in `pi -> server`; None where several might be the one.
        share: The largest known share of the time that any of them was in use.
    """

    name: str | None
    share: float


def link_share(link: Link) -> Share | None:
    """The share of the time in which a link carried bytes: of an emulated link exact; None if unknown.

    Of another at most the time in which bytes waited to be sent or acknowledged, unless the receiver took no
    more. Acknowledgements may be long on their way, or queue behind what goes the other way; so it is at
    least the time in which frames queued on the sender, and what the bytes take at a rate that is set.
    """
    if (use := link.use) is None:
        return None
    most_s = use.busy_s - use.rwnd_limited_s
    least_s = most_s
    if use.by == "kernel":
        least_s = min(max(use.queued_s, _at_rate_s(link, use.carried_bytes)), most_s)
    return Share(*(min(max(seconds / use.elapsed_s, 0.0), 1.0) for seconds in (least_s, most_s)))


def link_uses(links: Iterable[Link]) -> dict[str, Share | None]:
    """The use of each way between two devices, by a name as in `pi -> server`."""
    ways: dict[str, list[Link]] = {}
    for link in links:
        if link.sender != link.receiver:
            ways.setdefault(_way(link), []).append(link)
    return {way: _together(shared) for way, shared in ways.items()}


def _together(links: Sequence[Link]) -> Share | None:
    """The use of a way that these links share, one frame at a time where it is emulated.

    The kernel's accounts overlap, by how much is unknown: while a frame of one link passes, another may wait.
    """
    shares = [link_share(link) for link in links]
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return None
    most = min(sum(share.most for share in known), 1.0)
    is_exact = all(link.use is not None and link.use.by == "emulation" for link in links)
    return Share(most if is_exact else max(share.least for share in known), most)


def limit_of(trial: Trial) -> Limit:
    """What limited a trial.

    That can be told where what is known of one use is above what all others are at most, or nearly the whole
    time.
    """
    shares: dict[str, Share] = {}
    for position, name in enumerate(_stages(trial)):
        busy = busy_share(trial, position)
        shares[name] = _UNKNOWN if busy is None else Share(busy, busy)
    shares |= {way: share or _UNKNOWN for way, share in link_uses(trial.links).items()}
    name = max(shares, key=lambda name: shares[name].least)
    least = shares[name].least
    others = max((share.most for other, share in shares.items() if other != name), default=0.0)
    return Limit(name if least >= min(others, _NEARLY_ALWAYS) else None, least)


def latency_shares(trial: Trial) -> Mapping[str, float]:
    """The share of its mean latency that a trial computes on each device, and spends on each way.

    What is set is left out, since it does not change: the time of a stage that a slowdown fixes, and what a
    network's delay and rate take.
    """
    ways = dict.fromkeys(_way(link) for link in trial.links if link.sender != link.receiver)
    latency_s = float(trial.endpoint["latency_s"].mean())
    spent_s = [
        (hop.device, float(rows["compute_s"].mean()))
        for hop, rows in zip(trial.hops, trial.records, strict=True)
        if not hop.is_fixed
    ]
    if ways:
        on_network_s = float(network_s(trial.endpoint, trial.records).mean())
        varying_s = max(0.0, on_network_s - sum(map(_set_s, trial.links)))
        spent_s += [(way, varying_s / len(ways)) for way in ways]
    shares: dict[str, float] = {}
    for name, seconds in spent_s:
        shares[name] = shares.get(name, 0.0) + seconds / latency_s
    return shares


def throughput_shares(trial: Trial, limit: Limit | None = None) -> Mapping[str, float]:
    """The device, or way, that limited a trial: its changes alone change throughput.

    Nothing if unknown, or if its speed is set: by a slowdown, or by a network's rate.

    Args:
        limit: What `limit_of` tells, where it is known already.
    """
    name = (limit or limit_of(trial)).name
    if name is None or name in _set_ways(trial):
        return {}
    stages = dict(zip(_stages(trial), trial.hops, strict=True))
    if name not in stages:
        return {name: 1.0}
    return {} if stages[name].is_fixed else {stages[name].device: 1.0}


def baseline_shares(trial: BaselineTrial) -> Mapping[str, float]:
    """A baseline takes part in all changes of its device, unless a slowdown fixes its time."""
    return {} if trial.is_fixed else {trial.device: 1.0}


def _way(link: Link) -> str:
    return f"{link.sender} -> {link.receiver}"


def _set_s(link: Link) -> float:
    """Seconds of a request that a link's delay and rate take, as its network sets them."""
    if link.sender == link.receiver:
        return 0.0
    bytes_ = link.payload_bytes if link.encoded_bytes is None else link.encoded_bytes
    return link.delay_ms / 1e3 + _at_rate_s(link, bytes_)


def _at_rate_s(link: Link, bytes_: float) -> float:
    return bytes_ * 8 / (link.rate_mbit * 1e6) if link.rate_mbit else 0.0


def _set_ways(trial: Trial) -> set[str]:
    """Ways between two devices whose rate is what keeps them in use."""
    sent_s: dict[str, float] = {}
    for link in trial.links:
        if link.use is not None and link.rate_mbit:
            way = _way(link)
            at_rate_s = (
                link.use.busy_s if link.use.by == "emulation" else _at_rate_s(link, link.use.carried_bytes)
            )
            sent_s[way] = sent_s.get(way, 0.0) + at_rate_s / link.use.elapsed_s
    return {way for way, share in sent_s.items() if share >= _NEARLY_ALWAYS}


def _stages(trial: Trial) -> list[str]:
    devices = [hop.device for hop in trial.hops]
    return [stage_name(devices, position) for position in range(len(devices))]
