"""Planted times of an experiment: whose they may be, what they make of a cell, and what a stage gets."""

from collections.abc import Callable
from pathlib import Path

import pytest

from controller.errors import ExperimentError
from controller.experiment.networks import Network
from controller.experiment.resolve import ResolvedExperiment, resolve
from controller.lab.inventory import Lab
from controller.pipeline.deployment import plan_pipeline
from controller.results import Cell
from exporter.bundle import Bundle, export_null
from tests.unit.exporter.bundle.test_null_model import SIZES
from worker.wire.messages import HopSpec, PlantedPhase

Make = Callable[..., ResolvedExperiment]

CHAIN = "devices: [pi, server]\n"
PLANTED = "planted: {pi: {node_ms: [1, 2, 4, 8]}, server: {node_ms: 3}}\n"
EVERYTHING = """\
planted:
  pi:
    node_ms: 10
    how: spin
    modes: [[1, 3], [2, 1]]
    stalls: {every: 5, ms: 20}
    phases: [{factor: 2, requests: [5, 9]}, {factor: 0.5, seconds: [1, 2.5]}]
"""


@pytest.fixture(scope="module", name="bundles")
def fixture_bundles(tmp_path_factory: pytest.TempPathFactory, tiny: Bundle) -> Path:
    folder = tmp_path_factory.mktemp("bundles")
    export_null(folder / "null", SIZES)
    (folder / "tiny").symlink_to(tiny.path)
    return folder


@pytest.fixture
def make(tmp_path: Path, bundles: Path, lab: Lab) -> Make:
    (tmp_path / "networks.yml").write_text("lan: {}\n")

    def make(text: str, models: str = "null") -> ResolvedExperiment:
        path = tmp_path / "experiment.yml"
        head = f"name: t\nmodels: ['{models}']\nnetworks: [lan]\nnetworks_file: networks.yml\n"
        path.write_text(f"{head}depths: [1]\n{text}")
        return resolve(path, lab, bundles_folder=bundles)

    return make


def cell_at(resolved: ResolvedExperiment, *cuts: int) -> Cell:
    return next(cell for cell in resolved.cells["lan"] if cell.cuts == cuts)


def hops_of(resolved: ResolvedExperiment, cell: Cell) -> list[HopSpec]:
    bundle = resolved.bundles[cell.bundle]
    plan = plan_pipeline("p", cell, bundle, resolved.lab, Network(), seed=7)
    return [hop for build in plan.builds.values() for hop in build.hops]


@pytest.mark.parametrize(("cut", "seconds"), [(0, [0.012]), (1, [0.001, 0.009]), (3, [0.007, 0.003])])
def test_a_stage_takes_the_sum_over_its_nodes(make: Make, cut: int, seconds: list[float]) -> None:
    resolved = make(CHAIN + PLANTED)
    planted = [hop.planted for hop in hops_of(resolved, cell_at(resolved, cut))]
    assert [one and one.seconds for one in planted] == pytest.approx(seconds)


def test_all_of_a_planted_time_reaches_the_worker(make: Make) -> None:
    resolved = make(CHAIN + EVERYTHING)
    pi, server = hops_of(resolved, cell_at(resolved, 2))
    assert server.planted is None
    assert pi.planted is not None
    assert (pi.planted.seconds, pi.planted.how) == (0.02, "spin")
    assert pi.planted.modes == ((1.0, 3.0), (2.0, 1.0))
    assert (pi.planted.stall_every, pi.planted.stall_s) == (5, 0.02)
    assert pi.planted.phases == (
        PlantedPhase(unit="requests", start=5, stop=9, factor=2),
        PlantedPhase(unit="seconds", start=1, stop=2.5, factor=0.5),
    )


def test_other_times_make_other_cells_and_the_same_times_the_same(make: Make) -> None:
    def identity(text: str) -> str:
        return cell_at(make(CHAIN + text), 2).id

    assert identity(PLANTED) != identity("")
    assert identity(PLANTED) != identity(PLANTED.replace("8", "9"))
    assert identity(PLANTED) != identity(PLANTED.replace("node_ms: 3", "node_ms: 3, how: spin"))
    assert identity(PLANTED) == identity(
        "planted: {server: {how: sleep, node_ms: 3.0}, pi: {node_ms: [1, 2, 4, 8]}}\n"
    )
    # A device that has no part in a cell does not change it.
    pair = "placements: [[pi, desk], [pi]]\n"
    alone = {cell.planted for cell in make(pair + PLANTED.replace("server", "desk")).cells["lan"]}
    assert '{"pi":{"node_ms":[1.0,2.0,4.0,8.0]}}' in alone
    assert len(alone) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("planted: {desk: {node_ms: 3}}", "'planted.desk': no chain has a device 'desk'; .* pi, server$"),
        ("planted: {pi: {node_ms: [1, 2]}}", "'planted.pi.node_ms' lists 2 times, but null has 4 nodes"),
        ("planted: {pi: {node_ms: -1}}", "planted.node_ms': expected a number >= 0"),
        ("planted: {pi: {node_ms: .nan}}", "planted"),
        ("planted: {pi: {node_ms: .inf}}", "planted"),
        ("planted: {pi: {node_ms: 70000}}", "planted.node_ms': expected a number <= 60000"),
        ("planted: {pi: {}}", "key 'planted.node_ms' is missing"),
        ("planted: {pi: {node_ms: 1, how: doze}}", "allowed: sleep, spin"),
        ("planted: {pi: {node_ms: 1, stall: 2}}", "did you mean 'stalls'"),
        ("planted: {pi: {node_ms: 1, phases: [{factor: 2}]}}", "either 'requests' or 'seconds'"),
        (
            "planted: {pi: {node_ms: 1, phases: [{factor: 2, requests: [0, 1], seconds: [0, 1]}]}}",
            "either 'requests' or 'seconds'",
        ),
        ("planted: {pi: {node_ms: 1}}\nsearch: planned", "key 'search': planned cannot predict planted"),
    ],
)
def test_a_wrong_planted_time_is_refused_in_one_line(make: Make, text: str, said: str) -> None:
    with pytest.raises(ExperimentError, match=said) as caught:
        make(CHAIN + text)
    assert "\n" not in str(caught.value)


def test_times_are_planted_in_the_null_model_alone(make: Make) -> None:
    with pytest.raises(ExperimentError, match="key 'planted': tiny computes, .* null model alone"):
        make(CHAIN + PLANTED, models="tiny")
