"""A cell as a pipeline: stages, links, and what each worker is told."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from controller.experiment import cells
from controller.experiment.networks import Direction, Network
from controller.experiment.topology import route
from controller.lab.inventory import Lab
from controller.pipeline.deployment import PipelinePlan, plan_pipeline
from controller.results import Cell, FullSpeed, Settings
from controller.sweep.eta import request_s
from exporter.bundle import Bundle
from worker.links.emulation import EmulatedLink

PROFILE = Network(delay_ms=5, rate_mbit=20, backward=Direction(delay_ms=7))


def cell_of(bundle: Bundle, *cuts: int, devices: tuple[str, ...] = ("pi", "desk", "server")) -> Cell:
    settings = Settings(depth=4, batch=2)
    return cells.cell_of(bundle, devices, cuts, settings, network="wifi", shaping="emulated")


def plan(cell: Cell, bundle: Bundle, lab: Lab, **settings: dict[str, tuple[str, int]]) -> PipelinePlan:
    return plan_pipeline("p", cell, bundle, lab, PROFILE, **settings)  # type: ignore[arg-type]


def ends(planned: PipelinePlan) -> list[tuple[str, str]]:
    return [(link.sender, link.receiver) for link in planned.links]


def test_a_chain_leads_through_every_device_and_back_to_the_first(tiny: Bundle, lab: Lab) -> None:
    planned = plan(cell_of(tiny, 1, 3), tiny, lab)

    assert ends(planned) == [("pi", "pi"), ("pi", "desk"), ("desk", "server"), ("server", "pi")]
    assert [(stage.device, stage.shard.start, stage.shard.stop) for stage in planned.stages] == [
        ("pi", 0, 1),
        ("desk", 1, 3),
        ("server", 3, 4),
    ]


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ((0, 0), [("pi", "server"), ("server", "pi")]),
        ((4, 4), [("pi", "pi"), ("pi", "pi")]),
        ((2, 2), [("pi", "pi"), ("pi", "server"), ("server", "pi")]),
        ((0, 2), [("pi", "desk"), ("desk", "server"), ("server", "pi")]),
    ],
)
def test_an_empty_partition_is_skipped(
    tiny: Bundle, lab: Lab, cuts: tuple[int, int], expected: list[tuple[str, str]]
) -> None:
    planned = plan(cell_of(tiny, *cuts), tiny, lab)

    assert ends(planned) == expected
    assert set(planned.builds) == {name for link in expected for name in link}


def test_a_device_may_have_several_stages(tiny: Bundle, lab: Lab) -> None:
    beside = plan(cell_of(tiny, 1, 3, devices=("pi", "pi", "server")), tiny, lab)
    around = plan(cell_of(tiny, 1, 3, devices=("pi", "server", "pi")), tiny, lab)

    assert ends(beside) == [("pi", "pi"), ("pi", "pi"), ("pi", "server"), ("server", "pi")]
    assert ends(around) == [("pi", "pi"), ("pi", "server"), ("server", "pi"), ("pi", "pi")]
    for planned in (beside, around):
        assert set(planned.builds) == {"pi", "server"}
        assert [len(planned.builds[name].hops) for name in ("pi", "server")] == [2, 1]
        within = [
            spec
            for spec, link in zip(planned.specs, planned.links, strict=True)
            if link.sender == link.receiver
        ]
        assert all(spec.port is None for spec in within)


def test_links_within_a_device_have_no_port_and_no_emulation(tiny: Bundle, lab: Lab) -> None:
    inside, *_, back = plan(cell_of(tiny, 2, 2), tiny, lab).specs

    assert (inside.host, inside.port, inside.emulation) == (None, None, None)
    assert (back.host, back.port) == ("127.0.0.1", lab.device("pi").data_port)


def test_only_the_way_back_has_the_backward_conditions(tiny: Bundle, lab: Lab) -> None:
    _, forth, onward, back = plan(cell_of(tiny, 1, 3), tiny, lab).specs

    assert forth.emulation is not None
    assert onward.emulation is not None
    assert back.emulation is not None
    assert (forth.emulation.delay_ms, forth.emulation.rate_mbit) == (5, 20)
    assert (onward.emulation.delay_ms, onward.emulation.rate_mbit) == (5, 20)
    assert (back.emulation.delay_ms, back.emulation.rate_mbit) == (7, None)


def test_a_pair_of_devices_has_its_own_emulation(tiny: Bundle, lab: Lab) -> None:
    network = Network(delay_ms=5, pairs={"desk -> server": Direction(delay_ms=60)})
    planned = plan_pipeline("p", cell_of(tiny, 1, 2), tiny, lab, network)
    delays_ms = [spec.emulation.delay_ms for spec in planned.specs if spec.emulation]
    assert delays_ms == [5, 60, 5]


def test_a_chain_against_the_labs_order_goes_backward(tiny: Bundle, lab: Lab) -> None:
    planned = plan(cell_of(tiny, 2, devices=("server", "pi")), tiny, lab)
    delays_ms = [spec.emulation.delay_ms for spec in planned.specs if spec.emulation]
    assert ends(planned)[1:] == [("server", "pi"), ("pi", "server")]
    assert delays_ms == [7, 5]


JITTERY = Network(delay_ms=50, jitter_ms=10)


def test_each_direction_between_two_devices_has_its_own_jitter_which_a_sweep_repeats(
    tiny: Bundle, lab: Lab
) -> None:
    cell = cell_of(tiny, 1, 2, 3, devices=("pi", "server", "pi", "server"))

    def seeds(seed: int) -> dict[tuple[str, str], set[int]]:
        planned = plan_pipeline("p", cell, tiny, lab, JITTERY, seed=seed)
        found: dict[tuple[str, str], set[int]] = {}
        for spec, link in zip(planned.specs, planned.links, strict=True):
            if spec.emulation is not None:
                found.setdefault((link.sender, link.receiver), set()).add(spec.emulation.seed)
        named = {f"{sender} -> {receiver}": min(each) for (sender, receiver), each in found.items()}
        assert planned.jitter_seeds == named
        return found

    (there,), (back,) = seeds(1).values()
    assert there != back
    assert seeds(1) == seeds(1)
    assert not any({there, back} & others for others in seeds(2).values())


def test_a_network_without_jitter_has_no_jitter_seeds(tiny: Bundle, lab: Lab) -> None:
    assert plan(cell_of(tiny, 1, 3), tiny, lab).jitter_seeds == {}


def test_a_round_trip_spreads_as_two_independent_jitters(tiny: Bundle, lab: Lab) -> None:
    planned = plan_pipeline("p", cell_of(tiny, 2, devices=("pi", "server")), tiny, lab, JITTERY)
    there, back = (EmulatedLink(spec.emulation) for spec in planned.specs if spec.emulation)
    round_trips_ms = []
    for second in range(5000):
        arrived_s = there.carry(float(second), 100).delivery_s
        round_trips_ms.append(1e3 * (back.carry(arrived_s, 100).delivery_s - second))
    # Each jitter is uniform within +- 10 ms: its standard deviation is 10 / sqrt(3). Were both the same
    # sequence, that of the round trip would be 41 % higher.
    assert np.std(round_trips_ms) == pytest.approx(10 * math.sqrt(2 / 3), rel=0.03)
    assert np.mean(round_trips_ms) == pytest.approx(100, abs=0.5)


def test_links_that_tc_shapes_are_not_emulated_as_well(tiny: Bundle, lab: Lab) -> None:
    planned = plan(replace(cell_of(tiny, 1, 3), shaping="tc"), tiny, lab)

    assert all(spec.emulation is None for spec in planned.specs)


def test_with_a_controller_source_every_device_is_reached_over_the_network(tiny: Bundle, lab: Lab) -> None:
    cell = replace(cell_of(tiny, 1, 3), source="controller")
    planned = plan(cell, tiny, lab, controller_addresses={"server": ("127.0.0.1", 9999)})

    assert ends(planned)[0] == ("controller", "pi")
    assert ends(planned)[-1] == ("server", "controller")
    assert planned.specs[-1].port == 9999
    assert all(build.endpoint is None for build in planned.builds.values())


def test_each_link_is_told_alike_to_both_of_its_ends(tiny: Bundle, lab: Lab) -> None:
    planned = plan(cell_of(tiny, 1, 3), tiny, lab)

    assert planned.specs[2] in planned.builds["desk"].links
    assert planned.specs[2] in planned.builds["server"].links
    assert planned.specs[2] not in planned.builds["pi"].links


def full_speed(tiny: Bundle, device: str, start: int, stop: int, **other: Any) -> FullSpeed:
    taken_at = "2026-01-01T00:00:00+00:00"
    found = FullSpeed(tiny.digest, device, start, stop, 2, 1, 0.01 * stop, taken_at)
    return replace(found, **other)


def test_a_stage_gets_the_time_at_full_speed_that_was_measured_of_it(tiny: Bundle, lab: Lab) -> None:
    known = [
        full_speed(tiny, "pi", 0, 2),
        full_speed(tiny, "server", 2, 3),
        full_speed(tiny, "server", 2, 4, batch=1),
        full_speed(tiny, "server", 2, 4, threads=2),
        full_speed(tiny, "server", 2, 4, bundle="other"),
    ]
    cell = cell_of(tiny, 2, devices=("pi", "server"))

    def full_speed_s(threads: int) -> list[float | None]:
        planned = plan_pipeline("p", cell, tiny, lab, PROFILE, threads=threads, full_speeds=known)
        return [hop.full_speed_s for build in planned.builds.values() for hop in build.hops]

    assert full_speed_s(1) == [0.02, None]
    assert full_speed_s(2) == [None, 0.04]


def test_a_stage_with_an_operator_that_decides_by_values_varies(tiny: Bundle, lab: Lab) -> None:
    nodes = list(tiny.manifest.nodes)
    nodes[2] = replace(nodes[2], op="NonZero")
    varying = Bundle(tiny.path, replace(tiny.manifest, nodes=tuple(nodes)))
    planned = plan(cell_of(tiny, 2, 3), varying, lab)
    hops = [hop for device in ("pi", "desk", "server") for hop in planned.builds[device].hops]
    assert [hop.varies for hop in hops] == [False, True, False]
    # It is timed on more inputs than a trial's warm-up brings.
    assert planned.rehearsal == hops[1].keeps > hops[0].keeps
    assert plan(cell_of(tiny, 2, 3), tiny, lab).rehearsal == 0


def test_payload_is_what_crosses_times_the_batch(tiny: Bundle) -> None:
    assert [link.payload_bytes for link in route(cell_of(tiny, 1, 3), tiny)] == [8 * 4 * 2] * 4


def test_the_estimate_adds_compute_transfer_and_delay(tiny: Bundle, lab: Lab) -> None:
    cell = replace(cell_of(tiny, 2, devices=("pi", "server")), batch=1)
    seconds = {(tiny.digest, "pi"): 0.8, (tiny.digest, "server"): 0.2}
    latency_s, interval_s = request_s(cell, tiny, lab, PROFILE, seconds)

    transfer_s = 32 * 8 / 20e6
    assert latency_s == pytest.approx(0.4 + 0.1 + 0.005 + transfer_s + 0.007)
    assert interval_s == pytest.approx(0.4)
