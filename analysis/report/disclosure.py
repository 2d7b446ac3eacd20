"""What a sweep was measured on, so that no reader takes an emulation for a Raspberry Pi."""

from collections import Counter
from dataclasses import dataclass

from analysis.data.sweep import Sweep
from analysis.report.words import figure, listed
from controller.results import PLANTED

__all__ = ["MeasuredOn", "measured_on"]

_KINDS = {
    "local": ("worker process on one and the same machine", "worker processes on one and the same machine"),
    "namespace": (
        "worker process in a network namespace of one and the same machine",
        "worker processes in network namespaces of one and the same machine",
    ),
    "virtual": ("virtual machine", "virtual machines"),
    "real": ("real device", "real devices"),
    PLANTED: ("device with planted times", "devices with planted times"),
}
_LABS = {
    "local": "local lab",
    "namespace": "lab of network namespaces",
    "virtual": "lab of virtual devices",
}
_LINKS = {
    "emulated": "Links are emulated: the sending worker holds each frame back as the network's rate and "
    "delay require. No packet crossed such a network.",
    "tc": "Links are shaped by tc on the devices' own interfaces.",
    "none": "Links are not shaped.",
}


@dataclass(frozen=True)
class MeasuredOn:
    """What the banner says.

    Attributes:
        simulated: Some device or link is not what its name suggests.
    """

    headline: str
    sentences: tuple[str, ...]
    simulated: bool


def measured_on(sweep: Sweep) -> MeasuredOn:
    """The banner of a report."""
    kinds = Counter(d.kind for d in sweep.devices)
    slow = [d for d in sweep.devices if d.slowdown != 1]
    links = list(
        dict.fromkeys(p.shaping for p in sweep.networks if any(c.cell.network == p.name for c in sweep.cells))
    )
    counted = [f"{n} {_KINDS.get(k, (k, k))[n > 1]}" for k, n in kinds.items()]
    sentences = [f"Devices: {listed(counted)} ({', '.join(d.name for d in sweep.devices)})."]
    if slow:
        factors = [
            f"{d.name} (each stage takes {figure(d.slowdown)} times as long as alone at full speed)"
            for d in slow
        ]
        sentences.append(f"Emulated as slower: {listed(factors)}.")
    planted = [d for d in sweep.devices if d.kind == PLANTED]
    if planted:
        hosts = listed(dict.fromkeys(str(d.stamp.get("kind", "unknown")) for d in planted))
        sentences.append(
            f"Planted: the stages of {listed(d.name for d in planted)} compute nothing and take the times "
            f"that the experiment states, on devices of kind {hosts}."
        )
    sentences += [_LINKS.get(link, f"Links: {link}.") for link in links]
    simulated = bool(slow or planted) or not kinds.keys().isdisjoint(_LABS) or "emulated" in links
    if not simulated:
        return MeasuredOn("Measured on real devices", tuple(sentences), False)
    sentences.append(
        "This tests edgecut itself against known times; it says nothing of any device or model."
        if planted
        else "This is a simulation of such devices on such a network, run with the real runtime. It shows "
        "how the splits compare; the milliseconds are not those of a Raspberry Pi."
    )
    lab = next((lab for kind, lab in _LABS.items() if kind in kinds), "lab")
    if planted:
        return MeasuredOn("Measured on devices with planted times", tuple(sentences), True)
    emulations = ("some devices emulated as slower", bool(slow)), ("emulated links", "emulated" in links)
    what = listed(words for words, holds in emulations if holds)
    return MeasuredOn(f"Measured in a {lab}" + (f" with {what}" if what else ""), tuple(sentences), True)
