"""Fronts and bars: ticks that can be read, parts that add up, names that tell rows apart."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures import LAYOUTS, PAPER, figures_of
from analysis.figures.base import log_ticks
from analysis.figures.parts import parts_figure
from analysis.study import Study
from controller.results import Cell
from tests.unit.analysis.figures.specs import rows_with


@given(st.floats(1e-3, 1e3), st.floats(1.2, 1e4))
def test_a_log_axis_always_has_a_few_ticks_within_it(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert 2 <= len(ticks) <= 12
    assert all(low <= t <= low * factor * (1 + 1e-9) for t in ticks)
    assert ticks == sorted(set(ticks))


def test_bars_add_up_to_the_mean_latency(study: Study) -> None:
    found = study.groups[0].breakdowns
    assert [b.result.cell.cuts[0] for b in found] == sorted(b.result.cell.cuts[0] for b in found)
    for b in found:
        assert sum(b.parts.values()) + b.network_s == pytest.approx(b.total_s)
    rows = rows_with(figures_of(study)["mobilenet_v2-lan-parts"](LAYOUTS[0]), "mean_ms")
    total = sum(r["mean_ms"] for r in rows if r["split"] == "everything on pi")
    assert total == pytest.approx(found[-1].total_s * 1e3)


def test_every_group_has_its_figures(study: Study) -> None:
    of_each = ("capability", "operating", "parts", "busy", "timeline")
    wanted = {f"mobilenet_v2-{p}-{w}" for p in ("lan", "wifi", "wan") for w in of_each}
    assert set(figures_of(study)) == wanted | {"gains", "mobilenet_v2-payload"}


def test_both_ends_and_the_baselines_are_named_on_a_front(study: Study) -> None:
    rows = rows_with(figures_of(study)["mobilenet_v2-wifi-capability"](LAYOUTS[0]), "at_x")
    names = {r["label"] for r in rows}
    assert names >= {"raw input to server", "everything on pi", "plain ONNX Runtime on pi", "features.2"}


def test_a_bar_is_named_by_what_tells_it_from_others_and_by_nothing_else(study: Study) -> None:
    one = next(b for b in study.groups[0].breakdowns if b.result.split.kind == "split")

    def names(*cells: Cell) -> list[str]:
        found = [replace(one, result=replace(one.result, cell=cell)) for cell in cells]
        figure = parts_figure(found, frozenset(), ["pi", "server"], PAPER)
        return list(dict.fromkeys(row["split"] for row in figure["layer"][0]["data"]["values"]))

    cell, where = one.result.cell, one.result.split.where
    assert names(cell) == [where]
    assert names(cell, replace(cell, devices=("pi", "desk"))) == [f"{where}, pi→server", f"{where}, pi→desk"]
    assert names(cell, replace(cell, batch=8)) == [f"{where}, batch 1", f"{where}, batch 8"]
