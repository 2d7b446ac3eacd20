"""What the report's figures say: gains, fronts, busy shares, networks, devices."""

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
import vl_convert
from altair import LayerChart
from altair.utils.schemapi import validate_jsonschema

from analysis.data.predictions import PredictedCell, Source
from analysis.data.sweep import Sweep
from analysis.data.telemetry import Moment
from analysis.figures import LAYOUTS, PAPER, VEGA_LITE, config, figures_of
from analysis.figures.base import specification
from analysis.figures.conditions import placed
from analysis.figures.front import band, divided
from analysis.figures.labels import text_width
from analysis.figures.payload import payload_figure
from analysis.figures.theme import colours, looks, shapes
from analysis.fronts.fronts import best_by_devices, front_of
from analysis.report.page import render
from analysis.study import Study
from tests.unit.analysis.figures.specs import rows_with
from tests.unit.analysis.synthetic import BUNDLE, Physics


def test_every_figure_is_drawn_in_every_layout_and_without_a_nan(study: Study) -> None:
    sources: tuple[Source, ...] = ("sweep", "bench")
    predicted = [
        PredictedCell("m", "lan", "features.2", d, 1.1, 1.0, 0.9, source)
        for source in sources
        for d in (1, 4)
    ]
    figures = figures_of(replace(study, predictions=tuple(predicted)))
    assert {"gains", "predicted-latency", "predicted-interval", "bench-predicted-latency"} < set(figures)
    of_wifi = ("capability", "operating", "busy", "timeline", "parts")
    assert {f"mobilenet_v2-wifi-{what}" for what in of_wifi} < set(figures)
    assert "mobilenet_v2-payload" in figures
    for name, figure in figures.items():
        # The page of the fixture `report` has the others in its own layouts.
        for layout in (*LAYOUTS, PAPER) if "predicted" in name else (PAPER,):
            json.dumps(figure(layout), allow_nan=False)
        # As the charts are made, nothing checks them.
        validate_jsonschema(figure(PAPER), LayerChart._schema, LayerChart._rootschema)


@pytest.mark.parametrize("special", [{"trials": 1}, {"requests": (5, 5)}, {"skip": (24,)}])
def test_figures_of_an_odd_sweep_are_drawn_without_a_nan(
    other: Callable[..., Sweep], special: dict[str, object]
) -> None:
    wifi = Physics(networks={"wifi": (20.0, 0.005)})
    figures = figures_of(Study.of(other(physics=wifi, **special)))
    assert "mobilenet_v2-payload" in figures
    for figure in figures.values():
        json.dumps(figure(PAPER), allow_nan=False)


def test_gains_say_what_the_answers_say(study: Study) -> None:
    rows = rows_with(figures_of(study)["gains"](PAPER), "over")
    wifi = next(a for a in study.answers if (a.network.name, a.objective) == ("wifi", "throughput"))
    alone = next(g for g in wifi.gains if g.name == "plain ONNX Runtime on pi")
    mine = [r for r in rows if (r["title"], r["over"]) == ("wifi: throughput", "one device")]
    assert {r["factor"] for r in mine} == {alone.factor.value}
    assert {r["over"] for r in rows} == {"one device", "equal split", "offloading"}


def test_perhaps_is_what_might_be_on_the_front(other: Callable[..., Sweep]) -> None:
    sweep = other(physics=Physics(noise=0.15))
    points = front_of(sweep, "operating", BUNDLE, "wifi").points
    spec = figures_of(Study.of(sweep))["mobilenet_v2-wifi-operating"](PAPER)
    status = {row["cell"]: row["status"] for row in rows_with(spec, "status") if row["cell"]}
    perhaps = {p.cell.id for p in points if not p.on_front and (p.probability or 0) >= 0.05}
    assert perhaps == {cell for cell, found in status.items() if found == "perhaps"}
    assert perhaps


def test_a_band_reaches_from_what_every_trial_attained_to_what_any_did(sweep: Sweep) -> None:
    front = front_of(sweep, "capability", BUNDLE, "wifi")
    drawn = band(front.surfaces, "#000000", (1000.0, 1.0))
    assert drawn is not None
    rows = rows_with(specification([drawn]), "low")
    levels: dict[str, tuple[tuple[float, float], ...]] = {s.level: s.steps for s in front.surfaces}
    for row in rows:
        for level, edge in (("any", row["top"]), ("every", row["low"])):
            rates = [rate for latency, rate in levels[level] if latency * 1e3 <= row["left"]]
            assert edge == pytest.approx(max(rates, default=1.0))
    assert band((), "#000000", (1.0, 1.0)) is None


def test_a_baseline_that_would_squeeze_the_front_is_told_instead(sweep: Sweep, page: str) -> None:
    baselines = [b for b in sweep.baselines if b.network == "wan"]
    near, far = divided(front_of(sweep, "capability", BUNDLE, "wan").points, baselines)
    assert ([b.device for b in near], [b.device for b in far]) == (["pi"], ["server"])
    assert "Too far away to draw: plain ONNX Runtime on server (4" in page


def test_busy_is_of_the_deepest_cells(study: Study) -> None:
    assert {r.cell.depth for r in study.groups[0].deepest} == {4}


def test_a_network_is_placed_by_the_direction_of_requests(study: Study) -> None:
    answer = study.answers[0]
    requested = {"forward": {"rate_mbit": 5, "delay_ms": 7}, "backward": {"rate_mbit": 50, "delay_ms": 7}}
    assert placed(replace(answer, network=replace(answer.network, requested=requested))) == (5.0, 7.0)
    assert placed(replace(answer, network=replace(answer.network, requested={"delay_ms": 7}))) is None


def test_devices_are_counted_by_what_computes(sweep: Sweep) -> None:
    best = best_by_devices(front_of(sweep, "capability", BUNDLE, "wifi").points)
    assert list(best) == [1, 2]
    assert best[1].split.kind in ("stay", "offload") and best[2].split.kind == "split"


def test_a_dozen_of_anything_differ_in_colour_and_shape() -> None:
    assert len(set(zip(colours(36), shapes(36), strict=True))) == 36
    assert len(set(colours(12))) == 12
    some, all_ = looks(["c"], ["a", "b", "c"]), looks(["a", "c"], ["a", "b", "c"])
    assert some["c"] == all_["c"] != all_["a"], "a device keeps its colour where others are not drawn"


def _networks(count: int) -> Physics:
    return Physics(networks={f"net{i}": (2.0 * 3**i, 0.04 / 3**i) for i in range(count)})


def test_a_map_of_networks_takes_five_and_names_those_without_a_place(other: Callable[..., Sweep]) -> None:
    few = figures_of(Study.of(other(physics=_networks(4))))
    assert not any("networks" in name for name in few)
    sweep = other(physics=_networks(6))
    *others, last = sweep.networks
    nowhere = replace(last, requested={"rate_mbit": None, "delay_ms": 0})
    study = Study.of(replace(sweep, networks=(*others, nowhere)))
    figures = figures_of(study)
    assert {"mobilenet_v2-networks-latency", "mobilenet_v2-networks-throughput"} < set(figures)
    text = "Not on the map, since no rate or no delay is set: net5."
    assert render(study, figures).count(text) == 2


def test_no_axis_shows_the_decimals_of_a_binary_number(study: Study) -> None:
    """A clock that stands still had the label 2,793.4360000000011 on its axis."""
    moment = Moment(study.sweep.cells[0].cell, 0.1 + 0.2, "pi", "clock, MHz", 2793.4360000000011)
    still = [moment, replace(moment, minutes=1.1 + 2.2, value=2793.436)]
    study = replace(study, sweep=replace(study.sweep, moments=tuple(still)))
    for name, draw in figures_of(study).items():
        spec = draw(PAPER) | {"config": config(PAPER)}
        drawn = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
        labels = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
        assert labels, name
        long = [label for label in labels if re.search(r"\d\.\d{6}|\d{8}", label)]
        assert not long, f"{name}: {long}"
        if name == "telemetry":
            assert len({label for label in labels if label.startswith("2,")}) > 1, "labels that differ"


def test_names_of_cuts_stand_above_all_bars_and_no_leader_runs_through_one(study: Study) -> None:
    """Ten cuts side by side among the tallest bars, and one at the right edge."""
    manifest = study.sweep.manifests[BUNDLE]
    named = {index: f"features.{index}.conv" for index in (*range(2, 22, 2), 58)}
    for layout in (*LAYOUTS, PAPER):
        spec = payload_figure(manifest, 49152, set(named), named, layout)
        texts = rows_with(spec, "at")
        assert {row["text"] for row in texts} == set(named.values())
        tallest = max(row["kb"] for row in rows_with(spec, "kb"))
        per_pixel = int(manifest["node_count"]) / layout.width
        for row in texts:
            assert row["at"] > tallest
            end = row["left"] + text_width(row["text"], layout.font) * per_pixel
            crossing = [o for o in texts if row["left"] < o["index"] < end and o["at"] >= row["at"]]
            assert [o for o in crossing if o is not row] == [], f"{layout.name}: {row['text']}"
            assert end <= int(manifest["node_count"]) + 1e-9
