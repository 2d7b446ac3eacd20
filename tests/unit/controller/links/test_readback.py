"""Whether a device's own tc says that its link is as a network asks. The JSON is iproute2 6.1's."""

import json

import msgspec
import pytest

from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Lab
from controller.links.readback import is_shaped_as
from controller.links.shaping import conditions_of

UNSHAPED = [{"kind": "pfifo_fast", "handle": "0:", "root": True, "refcnt": 2, "options": {"bands": 3}}]
ROOT = {"kind": "prio", "handle": "ec:", "root": True, "refcnt": 2, "options": {"bands": 5}}
FAR = {
    "kind": "netem",
    "handle": "ec4:",
    "parent": "ec:4",
    "options": {
        "limit": 358,
        "delay": {"delay": 0.27, "jitter": 0, "correlation": 0},
        "loss-random": {"loss": 0.005, "correlation": 0},
        "rate": {"rate": 687500, "packetoverhead": 0, "cellsize": 0, "celloverhead": 0},
    },
}
JITTERY = {
    "kind": "netem",
    "handle": "ec5:",
    "parent": "ec:5",
    "options": {
        "limit": 68750,
        "delay": {"delay": 0.05, "jitter": 0.005, "correlation": 0},
        "rate": {"rate": 12500000000, "packetoverhead": 0, "cellsize": 0, "celloverhead": 0},
    },
}
RATED = {
    "kind": "tbf",
    "handle": "ec4:",
    "parent": "ec:4",
    "options": {"rate": 687500, "burst": 3028, "lat": 374395},
}
FAR_ASKED = Direction(delay_ms=270, rate_mbit=5.5, loss_percent=0.5)
JITTERY_ASKED = Direction(delay_ms=50, jitter_ms=5)


@pytest.mark.parametrize(
    ("wanted", "qdiscs", "right"),
    [
        ([FAR_ASKED, JITTERY_ASKED], [ROOT, JITTERY, FAR], True),
        ([FAR_ASKED], [ROOT, JITTERY, FAR], False),
        ([FAR_ASKED, JITTERY_ASKED], [ROOT, FAR], False),
        ([FAR_ASKED], UNSHAPED, False),
        ([], UNSHAPED, True),
        ([], [ROOT, FAR], False),
        ([Direction(delay_ms=271, rate_mbit=5.5, loss_percent=0.5)], [ROOT, FAR], True),
        ([Direction(delay_ms=280, rate_mbit=5.5, loss_percent=0.5)], [ROOT, FAR], False),
        ([Direction(delay_ms=270, rate_mbit=5.5)], [ROOT, FAR], False),
        ([Direction(delay_ms=270, loss_percent=0.5)], [ROOT, FAR], False),
        ([Direction(delay_ms=270, rate_mbit=11, loss_percent=0.5)], [ROOT, FAR], False),
        ([Direction(delay_ms=50)], [ROOT, JITTERY], False),
        ([Direction(rate_mbit=5.5)], [ROOT, RATED], True),
        ([Direction(rate_mbit=5)], [ROOT, RATED], False),
        ([Direction(rate_mbit=5.5, delay_ms=1)], [ROOT, RATED], False),
        ([], [ROOT, RATED], False),
    ],
)
def test_a_link_is_shaped_when_just_what_is_asked_is_imposed(
    wanted: list[Direction], qdiscs: list[object], right: bool
) -> None:
    assert is_shaped_as(wanted, json.dumps(qdiscs)) is right


def test_somebody_elses_netem_is_not_ours() -> None:
    theirs = {**FAR, "handle": "8001:", "root": True}
    assert not is_shaped_as([FAR_ASKED], json.dumps([theirs]))


def test_each_device_imposes_forward_backward_and_its_pairs(lab: Lab) -> None:
    network = Network(
        delay_ms=5, backward=Direction(delay_ms=7), pairs={"desk -> server": Direction(delay_ms=60)}
    )
    imposed = {device.name: conditions_of(lab, device, network) for device in lab.devices}
    told = {
        name: (general.delay_ms, {way.delay_ms: [d.name for d in to] for way, to in differing.items()})
        for name, (general, differing) in imposed.items()
    }
    assert told == {
        "pi": (5, {}),
        "desk": (5, {7: ["pi"], 60: ["server"]}),
        "server": (5, {7: ["pi", "desk"]}),
    }


def test_the_order_of_the_lab_says_which_way_is_forward(lab: Lab) -> None:
    assert lab.is_forward("pi", "server") and not lab.is_forward("server", "desk")
    assert lab.is_forward("controller", "pi") and not lab.is_forward("server", "controller")
    turned = msgspec.structs.replace(lab, devices=lab.devices[::-1])
    assert turned.is_forward("server", "desk")
