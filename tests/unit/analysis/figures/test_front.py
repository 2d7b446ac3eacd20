"""Figures: labels that cover nothing, ticks that can be read, files that are what they are called."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.data.sweep import Sweep
from analysis.errors import FigureError
from analysis.figures import LAYOUTS, PAPER, breakdowns, check_formats, export, figures_of
from analysis.figures.front import log_ticks
from analysis.figures.labels import Box, place
from analysis.figures.parts import parts_figure
from controller.results import Cell
from tests.unit.analysis.synthetic import BUNDLE


def test_labels_of_a_crowded_front_cover_neither_each_other_nor_a_point() -> None:
    """Eight points within a third of the plot, as a front of clean splits has them."""
    points = [(40.0 + 9 * i, 90.0 - 7 * i) for i in range(8)]
    texts = [f"features.{i}.conv.2" for i in range(8)]
    placed = place(points, texts, width=262, height=250, font=10, radius=4)
    for i, mine in enumerate(placed):
        assert mine.box.left >= 0 and mine.box.right <= 262
        assert not any(_overlap(mine.box, other.box) for other in placed[:i])
        assert not any(_overlap(mine.box, Box(x - 4, y - 4, x + 4, y + 4)) for x, y in points)


def test_a_label_that_another_point_is_nearer_to_has_a_line_to_its_own() -> None:
    (label,) = place([(50.0, 50.0)], ["here"], width=200, height=100, font=10, radius=4)
    assert not label.leader
    everywhere = [(float(x), float(y)) for x in range(0, 200, 9) for y in range(0, 100, 9)]
    (label,) = place([(50.0, 50.0)], ["here"], width=200, height=100, font=10, radius=4, obstacles=everywhere)
    assert label.leader


@given(st.floats(1e-3, 1e3), st.floats(1.2, 1e4))
def test_a_log_axis_always_has_a_few_ticks_within_it(low: float, factor: float) -> None:
    ticks = log_ticks(low, low * factor)
    assert 2 <= len(ticks) <= 12
    assert all(low <= t <= low * factor * (1 + 1e-9) for t in ticks)
    assert ticks == sorted(set(ticks))


def test_bars_add_up_to_the_mean_latency(sweep: Sweep) -> None:
    found = breakdowns(sweep.of(BUNDLE, "lan"))
    assert [b.result.cell.cuts[0] for b in found] == sorted(b.result.cell.cuts[0] for b in found)
    for b in found:
        assert sum(b.parts.values()) + b.network_s == pytest.approx(b.total_s)
    rows = _rows(figures_of(sweep)["mobilenet_v2-lan-parts"].draw(LAYOUTS[0]), "mean_ms")
    total = sum(r["mean_ms"] for r in rows if r["split"] == "all on pi")
    assert total == pytest.approx(found[-1].total_s * 1e3)


def test_every_group_has_its_figures(sweep: Sweep) -> None:
    of_each = ("capability", "operating", "parts", "busy", "timeline")
    wanted = {f"mobilenet_v2-{p}-{w}" for p in ("lan", "wifi", "wan") for w in of_each}
    assert set(figures_of(sweep)) == wanted | {"mobilenet_v2-payload", "mobilenet_v2-devices"}


def test_both_ends_and_the_baselines_are_named_on_a_front(sweep: Sweep) -> None:
    rows = _rows(figures_of(sweep)["mobilenet_v2-wifi-capability"].draw(LAYOUTS[0]), "at_x")
    names = {r["label"] for r in rows}
    assert names >= {"raw input to server", "all on pi", "pi alone", "features.2"}


def test_files_are_what_they_are_called(sweep: Sweep, tmp_path: Path) -> None:
    figure = figures_of(sweep)["mobilenet_v2-wan-capability"]
    pdf, svg, png = export(figure.draw(PAPER), tmp_path / figure.name, ("pdf", "svg", "png"))
    assert pdf.read_bytes().startswith(b"%PDF")
    assert "features" in svg.read_text() or "all on pi" in svg.read_text()
    assert png.read_bytes().startswith(b"\x89PNG")
    width = float(svg.read_text().split('width="', 1)[1].split('"', 1)[0].removesuffix("px"))
    assert width <= 252, "wider than a column of a two-column paper"


def test_an_unknown_format_is_named() -> None:
    assert check_formats("pdf, png") == ("pdf", "png")
    with pytest.raises(FigureError, match="no such format 'gif'; have pdf, svg, png"):
        check_formats("pdf,gif")


def _overlap(a: Box, b: Box) -> bool:
    return a.left < b.right and b.left < a.right and a.top < b.bottom and b.top < a.bottom


def _rows(spec: dict[str, Any], with_key: str) -> list[dict[str, Any]]:
    """The rows of the layer whose data have such a column."""
    data = [*spec.get("datasets", {}).values(), *(layer["data"].get("values") for layer in spec["layer"])]
    return next(rows for rows in data if rows and with_key in rows[0])


def test_a_bar_is_named_by_what_tells_it_from_others_and_by_nothing_else(sweep: Sweep) -> None:
    one = next(b for b in breakdowns(sweep.of(BUNDLE, "lan")) if b.result.split.kind == "split")

    def names(*cells: Cell) -> list[str]:
        found = [replace(one, result=replace(one.result, cell=cell)) for cell in cells]
        figure = parts_figure(found, frozenset(), ["pi", "server"], PAPER)
        return list(dict.fromkeys(row["split"] for row in figure["layer"][0]["data"]["values"]))

    cell, where = one.result.cell, one.result.split.where
    assert names(cell) == [where]
    assert names(cell, replace(cell, devices=("pi", "desk"))) == [f"{where}, pi→server", f"{where}, pi→desk"]
    assert names(cell, replace(cell, batch=8)) == [f"{where}, batch 1", f"{where}, batch 8"]
