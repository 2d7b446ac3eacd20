"""The tc lines that make a link: bands for shaped traffic, and the kernel's own three for all else."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator, Sequence
from typing import Any

from edgecut_link.errors import LinkError

__all__ = ["HANDLE", "ROOTS", "limit_packets", "tc_lines"]

HANDLE = "ec:"
ROOTS = ("prio", "htb")
# The bands and priorities of the kernel's own pfifo_fast: traffic that is not shaped is served as before.
_UNSHAPED_BANDS = 3
_PRIORITIES = [*"1222120011111111"]
_MOST_BANDS = 16

_FRAME_BYTES = 1500
# How long a full-rate burst may queue before drops, and the assumed rate of an unlimited link.
_QUEUE_S = 0.25
_UNLIMITED_MBIT = 10_000.0
# Room for frames that are smaller than the largest.
_LIMIT_MARGIN = 1.5
_FEWEST_PACKETS = 128

# A class of htb needs a rate; this one limits nothing.
_HTB_CLASS = "htb rate 100gbit burst 1mb cburst 1mb quantum 60000"
# tbf passes so much at once after a pause: two frames, or a quarter of a millisecond at the full rate. This
# makes up for a late timer.
_BURST_BYTES = 2 * 1514
_BURST_S = 0.25e-3

_Conditions = dict[str, float]


def tc_lines(
    interface: str, ports: Sequence[int], groups: Sequence[dict[str, Any]], *, by_htb: bool = False
) -> list[list[str]]:
    """The tc lines that shape an interface with the kernel's default qdisc; none without a condition.

    Args:
        by_htb: Use classes of htb in place of bands of prio, and tbf where netem would only set a rate: a
            kernel may lack prio and netem.
    """
    limited = [group for group in groups if group["to"] or any(group["conditions"].values())]
    if not any(any(group["conditions"].values()) for group in limited):
        return []
    bands = _UNSHAPED_BANDS + len(limited)
    if bands > _MOST_BANDS:
        room = _MOST_BANDS - _UNSHAPED_BANDS
        raise LinkError(f"{len(limited)} different conditions on one interface; at most {room} fit")
    if by_htb:
        lines = [f"qdisc add dev {interface} root handle {HANDLE} htb default 1".split()]
        for band in (1, *range(_UNSHAPED_BANDS + 1, bands + 1)):
            words = f"class add dev {interface} parent {HANDLE} classid {HANDLE}{band:x} {_HTB_CLASS}"
            lines.append(words.split())
    else:
        words = f"qdisc add dev {interface} root handle {HANDLE} prio bands {bands} priomap"
        lines = [words.split() + _PRIORITIES]
    # Named addresses first: the first filter that matches decides.
    ordered = sorted(limited, key=lambda group: not group["to"])
    for band, group in enumerate(ordered, start=_UNSHAPED_BANDS + 1):
        conditions = {name: value for name, value in group["conditions"].items() if value}
        by_tbf = by_htb and conditions.keys() == {"rate_mbit"}
        limiting = _tbf_words(conditions["rate_mbit"]) if by_tbf else _netem_words(conditions)
        if limiting:
            lines.append(
                f"qdisc add dev {interface} parent {HANDLE}{band:x} handle ec{band:x}:".split() + limiting
            )
        for match in _matches(ports, group["to"]):
            preference = 2 * band + (match[0] == "ipv6")
            words = f"filter add dev {interface} parent {HANDLE} protocol {match[0]} pref {preference} u32"
            lines.append(words.split() + match[1:] + ["flowid", f"{HANDLE}{band:x}"])
    return lines


def _netem_words(conditions: _Conditions) -> list[str]:
    """netem and its options; empty without a condition."""
    if not any(conditions.values()):
        return []
    delay_ms, jitter_ms = conditions.get("delay_ms", 0.0), conditions.get("jitter_ms", 0.0)
    rate_mbit, loss_percent = conditions.get("rate_mbit"), conditions.get("loss_percent")
    words = ["netem", "limit", str(limit_packets(delay_ms, jitter_ms, rate_mbit))]
    if delay_ms or jitter_ms:
        words += ["delay", f"{_plain(delay_ms)}ms"]
    if jitter_ms:
        words.append(f"{_plain(jitter_ms)}ms")
        # Without a rate netem lets packets overtake each other, which TCP mistakes for loss.
        rate_mbit = rate_mbit or 100_000.0
    if loss_percent:
        words += ["loss", f"{_plain(loss_percent)}%"]
    if rate_mbit:
        words += ["rate", f"{_plain(rate_mbit * 1000)}kbit"]
    return words


def _tbf_words(rate_mbit: float) -> list[str]:
    """tbf and its options."""
    burst_bytes = max(_BURST_BYTES, math.ceil(rate_mbit * 1e6 / 8 * _BURST_S))
    limit_bytes = limit_packets(0.0, 0.0, rate_mbit) * _FRAME_BYTES
    rate = f"{_plain(rate_mbit * 1000)}kbit"
    return ["tbf", "rate", rate, "burst", str(burst_bytes), "limit", str(limit_bytes)]


def limit_packets(delay_ms: float, jitter_ms: float, rate_mbit: float | None) -> int:
    """Packets that netem must hold: those in flight (bandwidth x delay) and, with a rate, its queue."""
    held_s = (delay_ms + jitter_ms) / 1e3 + (_QUEUE_S if rate_mbit else 0.0)
    packets = (rate_mbit or _UNLIMITED_MBIT) * 1e6 * held_s / (8 * _FRAME_BYTES)
    return max(_FEWEST_PACKETS, math.ceil(_LIMIT_MARGIN * packets))


def _matches(ports: Sequence[int], addresses: Sequence[str]) -> Iterator[list[str]]:
    """The protocol and u32's words for each kind of packet from or to a data port."""
    for protocol, ip in (("ip", "ip"), ("ipv6", "ip6")):
        version, bits = (4, 32) if protocol == "ip" else (6, 128)
        to = [
            f"match {ip} dst {one}/{bits}"
            for one in addresses
            if ipaddress.ip_address(one).version == version
        ]
        for destination in to or ([] if addresses else [""]):
            for number_of in (6, 17):  # TCP, and the UDP of probes
                for end in ("dport", "sport"):
                    for one in ports:
                        words = f"match {ip} protocol {number_of} 0xff match {ip} {end} {one} 0xffff"
                        yield [protocol, *words.split(), *destination.split()]


def _plain(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
