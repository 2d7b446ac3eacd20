"""Figures of a page that is narrowed, and what a click on a cell shows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from analysis.data.sweep import Sweep
from analysis.figures import PAPER, figures_of
from analysis.figures.base import with_filters
from analysis.figures.scaling import scaling_figure
from analysis.figures.theme import WIDE
from analysis.report.page import cards
from analysis.study import Study
from tests.unit.analysis.figures.specs import rows_with
from tests.unit.analysis.synthetic import BUNDLE, Physics


def test_a_filter_leaves_rows_without_its_field_alone() -> None:
    inner = {"layer": [{"mark": "point"}], "data": {"name": "of depths"}}
    spec: dict[str, Any] = {
        "datasets": {"of depths": [{"depth": 1}]},
        "vconcat": [inner, {"mark": "point", "data": {"values": [{"x": 1}]}}],
    }
    filtered = with_filters(spec, ("depth", "codec"))
    assert filtered["params"] == [{"name": "only_depth", "value": "all"}]
    assert len(filtered["vconcat"][0]["layer"][0]["transform"]) == 1
    assert filtered["vconcat"][1] == spec["vconcat"][1]
    assert "params" not in with_filters(spec, ("codec",))


@pytest.mark.parametrize(
    ("figure", "narrowed_by"),
    [
        ("gains", {"model", "network"}),
        ("mobilenet_v2-wifi-capability", {"depth", "codec"}),
        ("mobilenet_v2-wifi-operating", {"depth", "codec"}),
        ("mobilenet_v2-wifi-parts", {"depth", "codec"}),
        ("mobilenet_v2-wifi-busy", {"depth", "codec"}),
        ("mobilenet_v2-wifi-timeline", set()),
    ],
)
def test_a_figure_of_cells_can_be_clicked_and_narrowed(
    study: Study, figure: str, narrowed_by: set[str]
) -> None:
    spec = figures_of(study)[figure](PAPER)
    told = cards(study)
    cells = {row["cell"] for row in rows_with(spec, "cell")} - {""}
    assert cells and cells <= set(told)
    assert {param["name"].removeprefix("only_") for param in spec.get("params", [])} == narrowed_by


def test_figures_of_all_networks_can_be_clicked_and_narrowed(
    study: Study, other: Callable[..., Sweep]
) -> None:
    five = Physics(networks={f"net{i}": (2.0 * 3**i, 0.04 / 3**i) for i in range(5)})
    of_five = Study.of(other(physics=five))
    (network,) = figures_of(of_five)["mobilenet_v2-networks-latency"](PAPER)["params"]
    assert network["name"] == "only_network"
    by_network = [(g.network.name, g.capability.points) for g in study.groups]
    spec = with_filters(scaling_figure(by_network, PAPER))
    assert {param["name"] for param in spec["params"]} == {"only_network", "only_depth", "only_codec"}
    assert {row["cell"] for row in rows_with(spec, "cell")} <= set(cards(study))


def test_stages_are_shown_at_another_depth_only_once_it_is_chosen(study: Study) -> None:
    rows = rows_with(figures_of(study)["mobilenet_v2-wifi-busy"](WIDE), "busy")
    assert {(row["depth"], row["depth_all"]) for row in rows if "cell" in row} == {(1, False), (4, True)}
    rows = rows_with(figures_of(study)["mobilenet_v2-wifi-busy"](PAPER), "busy")
    assert {row["depth"] for row in rows if "cell" in row} == {4}, "paper has no menus"


def test_a_click_shows_a_stage_in_the_colour_that_the_figure_has_it_in(study: Study) -> None:
    spec = figures_of(study)["mobilenet_v2-wifi-parts"](PAPER)
    scale = next(e["encoding"]["color"]["scale"] for e in spec["layer"] if "color" in e["encoding"])
    drawn = dict(zip(scale["domain"], scale["range"], strict=True))
    offloaded = next(r for r in study.sweep.of(BUNDLE, "wifi") if r.split.kind == "offload")
    shown = {name: colour for name, _, colour in cards(study)[offloaded.cell.id]["parts"]}
    assert shown["server: compute"] == drawn["server: compute"] != drawn["pi: compute"]


def test_a_click_finds_every_finished_cell_and_its_parts_add_up(study: Study) -> None:
    told = cards(study)
    assert set(told) == {r.cell.id for r in study.sweep.cells}
    for r in study.sweep.cells:
        total = sum(ms for _, ms, _ in told[r.cell.id]["parts"])
        mean = np.average([t.latency_mean_s for t in r.trials], weights=[t.requests for t in r.trials])
        assert total == pytest.approx(mean * 1e3, rel=1e-6)
