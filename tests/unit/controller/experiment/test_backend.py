"""Cells over PyTorch RPC: which they are, and what each device is told."""

from dataclasses import replace

import pytest

from controller.errors import ExperimentError
from controller.experiment import cells
from controller.experiment.backend import RpcSettings
from controller.experiment.feasibility import check_feasible
from controller.experiment.networks import Direction, Network
from controller.lab.inventory import Lab
from controller.pipeline.deployment import plan_pipeline
from controller.results import HUB, SOCKET, TORCH_RPC, Cell, Settings
from exporter.bundle import Bundle


def cell_of(
    bundle: Bundle,
    *cuts: int,
    devices: tuple[str, ...] = ("pi", "desk", "server"),
    backend: str = TORCH_RPC,
) -> Cell:
    settings = Settings(depth=4, batch=2, backend=backend)
    return cells.cell_of(bundle, devices, cuts, settings, network="ideal", shaping="emulated")


def test_each_device_is_told_its_rank_and_who_is_at_the_ends_of_the_links(tiny: Bundle, lab: Lab) -> None:
    cell = cell_of(tiny, 1, 2, 3, devices=("pi", "pi", "desk", "server"))
    settings = RpcSettings(port=4000, threads=2, interface="eth0")
    planned = plan_pipeline("p", cell, tiny, lab, Network(), rpc=settings)

    told = {device: build.rpc for device, build in planned.builds.items()}
    assert list(told) == ["pi", "desk", "server"]
    for rank, spec in enumerate(told.values()):
        assert spec is not None
        assert (spec.rank, spec.workers) == (rank, ("pi", "desk", "server"))
        assert (spec.port, spec.threads, spec.interface) == (4000, 2, "eth0")
        # In-process links have no route.
        assert [(r.link, r.sender, r.receiver) for r in spec.routes] == [
            ("p/2", "pi", "desk"),
            ("p/3", "desk", "server"),
            ("p/4", "server", "pi"),
        ]
    assert all(spec.emulation is None for spec in planned.specs)


def test_a_device_without_a_part_is_not_waited_for(tiny: Bundle, lab: Lab) -> None:
    planned = plan_pipeline("p", cell_of(tiny, 2, 2), tiny, lab, Network())
    assert [build.rpc.workers for build in planned.builds.values() if build.rpc] == [("pi", "server")] * 2


def test_our_sockets_are_told_nothing_of_rpc(tiny: Bundle, lab: Lab) -> None:
    planned = plan_pipeline("p", replace(cell_of(tiny, 1, 3), backend=SOCKET), tiny, lab, Network())
    assert [build.rpc for build in planned.builds.values()] == [None] * 3


def test_what_stays_on_one_device_is_one_cell_whatever_the_backend(tiny: Bundle) -> None:
    assert cell_of(tiny, 4, 4).backend == SOCKET
    crossing = cell_of(tiny, 2, 4)
    assert crossing.backend == TORCH_RPC
    assert cell_of(tiny, 2, 4, backend=SOCKET).id != crossing.id


@pytest.mark.parametrize("shaping", ["emulated", "tc", "none"])
@pytest.mark.parametrize(
    "network",
    [
        Network(delay_ms=1),
        Network(rate_mbit=100),
        Network(backward=Direction(jitter_ms=1)),
        Network(pairs={"pi -> desk": Direction(delay_ms=1)}),
    ],
)
def test_a_profile_that_limits_anything_is_refused(tiny: Bundle, shaping: str, network: Network) -> None:
    cell = replace(cell_of(tiny, 1, 3), shaping=shaping)
    with pytest.raises(ExperimentError, match="network 'ideal' would not hold"):
        check_feasible(cell, network)
    check_feasible(cell, Network())


def test_codecs_and_a_part_for_the_controller_are_refused(tiny: Bundle) -> None:
    cell = cell_of(tiny, 1, 3)
    with pytest.raises(ExperimentError, match="no codec 'uint8'"):
        check_feasible(replace(cell, codec="uint8"), Network())
    for with_controller in (replace(cell, source="controller"), replace(cell, topology=HUB)):
        with pytest.raises(ExperimentError, match="the controller has no part in it"):
            check_feasible(with_controller, Network())
