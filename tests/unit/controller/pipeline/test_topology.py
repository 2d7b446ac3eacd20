"""A hub: what goes from one device to another goes through the controller."""

import socket
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from controller.errors import DeviceError, ExperimentError
from controller.experiment.cells import cell_of, cells_of_network
from controller.experiment.feasibility import check_feasible
from controller.experiment.networks import Direction, Network
from controller.experiment.schema import load_experiment
from controller.experiment.topology import route
from controller.lab.inventory import Lab
from controller.pipeline.accuracy import codec_accuracies
from controller.pipeline.controller_endpoint import ControllerEndpoint
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.results import HUB, Cell, Settings
from controller.sweep.eta import request_s
from exporter.bundle import Bundle

PROFILE = Network(delay_ms=5, rate_mbit=20, backward=Direction(delay_ms=7))
ADDRESSES = {"pi": ("10.0.0.1", 9), "desk": ("10.0.0.1", 9), "server": ("10.9.0.1", 9)}


def hub(
    bundle: Bundle,
    *cuts: int,
    devices: tuple[str, ...] = ("pi", "desk", "server"),
    codec: str = "none",
    source: str = "first",
) -> Cell:
    settings = Settings(depth=4, batch=2, topology=HUB, codec=codec, source=source)
    return cell_of(bundle, devices, cuts, settings, network="wifi", shaping="emulated")


def plan(cell: Cell, bundle: Bundle, lab: Lab) -> PipelinePlan:
    return plan_pipeline("p", cell, bundle, lab, PROFILE, controller_addresses=ADDRESSES)


def test_what_goes_from_device_to_device_goes_through_the_controller(tiny: Bundle, lab: Lab) -> None:
    planned = plan(hub(tiny, 1, 3), tiny, lab)

    assert [(link.sender, link.receiver) for link in planned.links] == [
        ("pi", "pi"),
        ("pi", "controller"),
        ("controller", "desk"),
        ("desk", "controller"),
        ("controller", "server"),
        ("server", "controller"),
        ("controller", "pi"),
    ]
    assert planned.endpoint == "pi"
    by_name = {spec.name: link for spec, link in zip(planned.specs, planned.links, strict=True)}
    assert len(by_name) == 7
    for arriving, leaving in planned.relays:
        assert by_name[arriving].receiver == by_name[leaving].sender == "controller"
    assert len(planned.relays) == 3
    assert len(planned.controller_links) == 6
    for device, build in planned.builds.items():
        told = {spec.name for spec in build.links}
        assert {name for hop in build.hops for name in (hop.inlet, hop.outlet)} <= told
        assert all(device in (by_name[name].sender, by_name[name].receiver) for name in told)


def test_each_device_sends_to_where_it_reaches_the_controller(tiny: Bundle, lab: Lab) -> None:
    planned = plan(hub(tiny, 1, 3), tiny, lab)
    ends = zip(planned.specs, planned.links, strict=True)
    sent = {link.sender: spec.host for spec, link in ends if link.receiver == "controller"}
    assert sent == {"pi": "10.0.0.1", "desk": "10.0.0.1", "server": "10.9.0.1"}
    with pytest.raises(ExperimentError, match="the controller has no address that device 'pi' could reach"):
        plan_pipeline("p", hub(tiny, 1, 3), tiny, lab, PROFILE)


def test_both_links_of_a_hub_have_their_conditions(tiny: Bundle, lab: Lab) -> None:
    """To the controller is backward, from it is forward, as with a controller source."""
    planned = plan(hub(tiny, 2, devices=("pi", "server")), tiny, lab)
    assert [spec.emulation.delay_ms for spec in planned.specs if spec.emulation] == [7, 5, 7, 5]


def test_a_controller_source_is_a_hub_already_at_both_ends(tiny: Bundle, lab: Lab) -> None:
    cell = replace(hub(tiny, 2, devices=("pi", "server")), source="controller")
    assert [(link.sender, link.receiver) for link in route(cell, tiny)] == [
        ("controller", "pi"),
        ("pi", "controller"),
        ("controller", "server"),
        ("server", "controller"),
    ]
    assert len(plan(cell, tiny, lab).relays) == 1


def test_the_controller_listens_where_every_device_reaches_it() -> None:
    for hosts in ({"pi": "127.0.0.1"}, {"pi": "127.0.0.1", "server": "127.0.0.2"}):
        controller_endpoint = ControllerEndpoint(hosts)
        assert {name: host for name, (host, _) in controller_endpoint.addresses.items()} == hosts
        for address in controller_endpoint.addresses.values():
            socket.create_connection(address, timeout=5).close()
        controller_endpoint.close()


def test_the_controller_has_no_part_in_a_chain_of_devices(tiny: Bundle, lab: Lab) -> None:
    cell = hub(tiny, 2, devices=("pi", "server"))
    assert ControllerEndpoint.of(replace(cell, topology="chain"), lab) is None
    for asked in (cell, replace(cell, topology="chain", source="controller")):
        controller_endpoint = ControllerEndpoint.of(asked, lab)
        assert controller_endpoint is not None
        assert {host for host, _ in controller_endpoint.addresses.values()} == {"127.0.0.1"}
        controller_endpoint.close()


@pytest.mark.parametrize(
    ("cuts", "devices", "source"),
    [
        ((4,), ("pi", "server"), "first"),
        ((4,), ("pi", "server"), "controller"),
        ((0,), ("pi", "server"), "controller"),
        ((2,), ("pi", "pi"), "first"),
        ((), ("pi",), "first"),
    ],
)
def test_where_nothing_goes_from_device_to_device_a_hub_is_a_chain(
    tiny: Bundle, cuts: tuple[int, ...], devices: tuple[str, ...], source: str
) -> None:
    assert hub(tiny, *cuts, devices=devices, source=source).topology == "chain"


def test_a_codec_is_that_of_the_two_devices_on_both_links(tiny: Bundle) -> None:
    cell = hub(tiny, 1, 3, codec="forward: fp16; desk -> server: lz4")
    assert [link.codec for link in route(cell, tiny)] == [
        "none",
        "fp16",
        "fp16",
        "lz4",
        "lz4",
        "none",
        "none",
    ]
    chain = replace(cell, topology="chain")
    assert list(codec_accuracies(tiny, [cell], 4)) == list(codec_accuracies(tiny, [chain], 4))


def test_chain_hub_and_rpc_can_be_compared_in_one_experiment(tiny: Bundle, lab: Lab, tmp_path: Path) -> None:
    text = "name: t\nmodels: [tiny]\nnetworks: [as_is]\nsplits: [2]\ndevices: [pi, server]\ndepths: [1]\n"
    path = tmp_path / "experiment.yml"
    path.write_text(text + "topologies: [chain, hub]\nbackends: [socket, torch_rpc]\n")
    cells = cells_of_network(load_experiment(path), "as_is", {"tiny": tiny}, lab)
    for cell in cells:
        check_feasible(cell, Network())
    assert sorted((c.topology, c.backend) for c in cells if c.cuts == (2,)) == [
        ("chain", "socket"),
        ("chain", "torch_rpc"),
        ("hub", "socket"),
    ]


def test_tc_shapes_no_hub(tiny: Bundle) -> None:
    cell = replace(hub(tiny, 2, devices=("pi", "server")), shaping="tc")
    check_feasible(cell, Network())
    with pytest.raises(ExperimentError, match="key 'topologies' has 'hub', but tc shapes"):
        check_feasible(cell, PROFILE)
    with pytest.raises(ExperimentError, match="key 'source' is 'controller', but tc shapes"):
        check_feasible(replace(cell, source="controller", topology="chain"), PROFILE)
    check_feasible(replace(cell, topology="chain"), PROFILE)


def test_the_estimate_counts_both_links(tiny: Bundle, lab: Lab) -> None:
    cell = hub(tiny, 2, devices=("pi", "server"))
    seconds = {(tiny.digest, "pi"): 0.0, (tiny.digest, "server"): 0.0}
    latency_s, _ = request_s(cell, tiny, lab, PROFILE, seconds)
    # Forward has a rate, backward has not.
    assert latency_s == pytest.approx(2 * (0.005 + 0.007 + 64 * 8 / 20e6))


def test_a_device_to_which_the_controller_finds_no_way_is_named(tiny: Bundle, lab: Lab) -> None:
    nowhere = msgspec.structs.replace(lab.devices[1], host="::1")
    away = msgspec.structs.replace(lab, devices=(lab.devices[0], nowhere, lab.devices[2]))
    with pytest.raises(DeviceError, match=r"^desk: .* has no IPv4 route to '::1': "):
        ControllerEndpoint.of(hub(tiny, 1, 2), away)
