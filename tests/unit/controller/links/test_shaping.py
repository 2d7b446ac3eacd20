"""What each device is told of its own link; and that edgecut-link takes it."""

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from controller.errors import LabError
from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Lab
from controller.links import shaping_arguments

FILES = Path(__file__).parents[4] / "ansible/roles/network/files"
DSL = Network(delay_ms=15, rate_mbit=16, backward=Direction(delay_ms=15, rate_mbit=2, loss_percent=0.1))


@pytest.fixture
def far(lab: Lab) -> Lab:
    """The lab's three devices on hosts of their own, with one data port."""
    devices = [
        msgspec.structs.replace(device, host=f"10.0.0.{n}", data_port=7101, shaping="tc")
        for n, device in enumerate(lab.devices, start=1)
    ]
    return Lab(name="far", devices=tuple(devices))


def test_both_ways_alike_need_no_addresses(far: Lab) -> None:
    told = shaping_arguments(far, Network(delay_ms=5, rate_mbit=20))
    assert set(told) == {"pi", "desk", "server"}
    for words, host in zip(told.values(), ("10.0.0.1", "10.0.0.2", "10.0.0.3"), strict=True):
        assert words == ["--address", host, "--data-port", "7101", "--delay-ms", "5", "--rate-mbit", "20"]


def test_devices_whose_links_tc_does_not_shape_are_told_nothing(lab: Lab) -> None:
    assert shaping_arguments(lab, Network(delay_ms=5)) == {}


def test_what_goes_back_up_the_chain_is_shaped_as_the_backward_conditions_say(far: Lab) -> None:
    forward = ["--data-port", "7101", "--delay-ms", "15", "--rate-mbit", "16"]
    back = ["--delay-ms", "15", "--rate-mbit", "2", "--loss-percent", "0.1"]
    told = {name: words[2:] for name, words in shaping_arguments(far, DSL).items()}
    assert told["pi"] == forward
    assert told["desk"] == [*forward, "--to", "10.0.0.1", *back]
    assert told["server"] == [*forward, "--to", "10.0.0.1", "--to", "10.0.0.2", *back]


def test_a_pair_has_its_own_conditions_and_one_without_any_comes_last(far: Lab) -> None:
    pairs = {"desk -> pi": Direction(), "desk -> server": Direction(delay_ms=60)}
    shaped = shaping_arguments(far, Network(delay_ms=5, pairs=pairs))
    told = {name: words[2:] for name, words in shaped.items()}
    assert told["pi"] == ["--data-port", "7101", "--delay-ms", "5"]
    assert told["desk"] == [*told["pi"], "--to", "10.0.0.3", "--delay-ms", "60", "--to", "10.0.0.1"]


@pytest.mark.processes
def test_edgecut_link_takes_what_devices_are_told(far: Lab) -> None:
    words = ["apply", "--print", *shaping_arguments(far, DSL)["server"]]
    command = [sys.executable, "-m", "edgecut_link", *words]
    done = subprocess.run(command, cwd=FILES, capture_output=True, text=True, check=True)
    (back,) = [line for line in done.stdout.splitlines() if "handle ec4: netem" in line]
    assert back.endswith("delay 15ms loss 0.1% rate 2000kbit")
    assert done.stdout.count("dst 10.0.0.2/32 flowid ec:4") == 4


def test_a_host_without_an_address_is_named(far: Lab) -> None:
    devices = (msgspec.structs.replace(far.devices[0], host="nowhere.invalid"), *far.devices[1:])
    with pytest.raises(LabError, match="device pi: host 'nowhere.invalid' has no address"):
        shaping_arguments(Lab(name="far", devices=devices), DSL)
