"""Many points on paper: an image, so that the file stays small, with axes and a legend that are text."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from analysis.data.telemetry import Moment
from analysis.figures import LAYOUTS, PAPER, export
from analysis.figures.telemetry import telemetry_figure
from tests.unit.analysis.synthetic import BUNDLE, CELL


def _moments(trials: int) -> list[Moment]:
    return [
        Moment(CELL, float(i), device, name, (i * 7919 % 100) + 0.123 * i)
        for name in ("worker, % of a core", "host, % of all cores", "clock, MHz")
        for i in range(trials)
        for device in ("pi", "server")
    ]


def _written(moments: Sequence[Moment], folder: Path) -> tuple[int, str]:
    spec = telemetry_figure(moments, {BUNDLE: "m"}, ["pi", "server"], PAPER)
    pdf, svg = export(spec, folder / "telemetry", ("pdf", "svg"))
    return pdf.stat().st_size, svg.read_text()


def test_a_long_sweeps_telemetry_is_a_small_pdf(tmp_path: Path) -> None:
    size, svg = _written(_moments(300), tmp_path)
    assert size < 200_000
    assert svg.count("<image") == 3, "one for each panel"
    assert {"pi", "server", "clock, MHz", "minutes since the first trial"} <= {*re.findall(r">([^<]+)<", svg)}


def test_few_points_stay_lines_and_curves(tmp_path: Path) -> None:
    _, svg = _written(_moments(10), tmp_path)
    assert "<image" not in svg


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_on_a_page_every_point_can_be_clicked(layout: object) -> None:
    spec = telemetry_figure(_moments(300), {BUNDLE: "m"}, ["pi", "server"], layout)  # type: ignore[arg-type]
    for panel in spec["vconcat"]:
        (points,) = panel["layer"]
        assert len((points.get("data") or panel["data"])["values"]) == 600
