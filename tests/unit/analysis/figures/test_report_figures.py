"""What the report's figures say: gains, busy shares, time line, networks, devices, predictions."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis.__main__ import main
from analysis.data.predictions import (
    FILE,
    PredictedCell,
    errors_of,
    find_predictions,
    load_predictions,
    predictions_of,
)
from analysis.data.sweep import Sweep, load
from analysis.data.telemetry import moments
from analysis.data.timeline import bars_of
from analysis.errors import ResultsError
from analysis.figures import LAYOUTS, PAPER, figures_of
from analysis.figures.bands import band
from analysis.figures.base import with_filters
from analysis.figures.baselines import divided
from analysis.figures.busy import busy_cells
from analysis.figures.conditions import placed
from analysis.figures.theme import WIDE, colours, looks, shapes
from analysis.fronts.answers import answers
from analysis.fronts.fronts import capability, front_of
from analysis.fronts.scaling import best_by_devices
from analysis.report import write_report
from analysis.report.cells import cells_json
from controller.results import Predicted, Results, Store
from tests.unit.analysis.synthetic import BUNDLE, Physics, run_trial, write_sweep

_CELLS: list[dict[str, Any]] = [
    {"model": "m", "network": network, "devices": ["a", "b", "c"][: len(cuts) + 1], "cuts": cuts}
    | {"depth": depth, "predicted": 1.1, "measured": 1.0, "repeated": 0.95}
    for network in ("lan", "wan")
    for cuts in ([0], [5], [9], [5, 9])
    for depth in (1, 4)
]


def _rows(spec: dict[str, Any], has: str) -> list[dict[str, Any]]:
    """All rows of a specification that have this field."""
    found: list[dict[str, Any]] = [
        row for rows in spec.get("datasets", {}).values() for row in rows if has in row
    ]
    for part in (*spec.get("layer", []), *spec.get("vconcat", [])):
        found += _rows(part, has)
    return found + [row for row in spec.get("data", {}).get("values", []) if has in row]


def test_every_figure_is_drawn_in_every_layout_and_without_a_nan(sweep: Sweep) -> None:
    predicted = [
        PredictedCell("m", "lan", "features.2", d, 1.1, 1.0, 0.9, source)
        for source in ("sweep", "bench")
        for d in (1, 4)
    ]
    figures = figures_of(sweep, answers(sweep), predicted)
    assert {"gains", "predicted-latency", "predicted-interval", "bench-predicted-latency"} < set(figures)
    of_wifi = ("capability", "operating", "busy", "timeline", "parts")
    assert {f"mobilenet_v2-wifi-{what}" for what in of_wifi} < set(figures)
    assert {f"mobilenet_v2-{what}" for what in ("networks-latency", "devices", "payload")} < set(figures)
    for figure in figures.values():
        for layout in (*LAYOUTS, PAPER):
            json.dumps(figure.draw(layout), allow_nan=False)


def test_gains_say_what_the_answers_say(sweep: Sweep) -> None:
    found = answers(sweep)
    rows = _rows(figures_of(sweep, found)["gains"].draw(PAPER), "over")
    wifi = next(a for a in found if (a.network.name, a.objective) == ("wifi", "throughput"))
    alone = next(g for g in wifi.gains if g.name == "pi alone")
    mine = [r for r in rows if (r["title"], r["over"]) == ("wifi: throughput", "one device")]
    assert {r["factor"] for r in mine} == {alone.factor.value}
    assert {r["over"] for r in rows} == {"one device", "equal split", "offloading"}


def test_perhaps_is_what_might_be_on_the_front(other: Callable[..., Sweep]) -> None:
    sweep = other(drift=0.4)
    points = front_of(sweep, "operating", BUNDLE, "wifi").points
    spec = figures_of(sweep)["mobilenet_v2-wifi-operating"].draw(PAPER)
    status = {row["cell"]: row["status"] for row in _rows(spec, "status") if row["cell"]}
    perhaps = {p.cell.id for p in points if not p.on_front and (p.probability or 0) >= 0.05}
    assert perhaps == {cell for cell, found in status.items() if found == "perhaps"}
    assert perhaps


def test_a_band_reaches_from_what_every_trial_attained_to_what_any_did(sweep: Sweep) -> None:
    front = front_of(sweep, "capability", BUNDLE, "wifi")
    drawn = band(front.surfaces, "#000000", (1000.0, 1.0))
    assert drawn is not None
    rows = _rows(drawn.to_dict(validate=False), "low")
    levels: dict[str, tuple[tuple[float, float], ...]] = {s.level: s.steps for s in front.surfaces}
    for row in rows:
        for level, edge in (("any", row["top"]), ("every", row["low"])):
            rates = [rate for latency, rate in levels[level] if latency * 1e3 <= row["left"]]
            assert edge == pytest.approx(max(rates, default=1.0))
    assert band((), "#000000", (1.0, 1.0)) is None


def test_a_baseline_that_would_squeeze_the_front_is_told_instead(sweep: Sweep, tmp_path: Path) -> None:
    near, far = divided(capability(sweep, BUNDLE, "wan"), sweep.baselines)
    assert ([b.device for b in near], [b.device for b in far]) == (["pi"], ["server"])
    html = write_report(sweep, tmp_path, ()).page.read_text(encoding="utf-8")
    assert "Too far off to be drawn: server alone (4.0" in html


def test_busy_is_of_the_deepest_cells(sweep: Sweep) -> None:
    assert {r.cell.depth for r in busy_cells(sweep.of(BUNDLE, "lan"))} == {4}


def test_a_row_of_the_time_line_keeps_its_own_clock(sweep: Sweep) -> None:
    """The second device's clock is an hour ahead; only what lies between its own moments shows."""
    result = next(r for r in sweep.cells if len(r.trials[0].hops) == 2 and r.cell.depth == 4)
    trial = run_trial(result.cell, 0, 24, Physics(noise=0.0), np.random.default_rng(0))
    for hop, (offset_s, step_s) in enumerate(((0.0, 0.05), (3600.0, 0.05))):
        trial.records[hop]["compute_at_s"] = offset_s + step_s * np.arange(24)
        trial.records[hop]["compute_s"] = 0.02
    bars = bars_of(trial, ["pi", "server"])
    first = {b.request: b for b in bars if b.stage == "pi"}
    second = {b.request: b for b in bars if b.stage == "server"}
    assert len(first) == len(second) == 12
    for request, bar in second.items():
        assert bar.start_s == pytest.approx(first[request].stop_s), "the fastest message takes no time"
        assert bar.stop_s - bar.start_s == pytest.approx(0.02)


def test_a_network_is_placed_by_the_direction_of_requests(sweep: Sweep) -> None:
    answer = answers(sweep)[0]
    asked = {"forward": {"rate_mbit": 5, "delay_ms": 7}, "backward": {"rate_mbit": 50, "delay_ms": 7}}
    assert placed(replace(answer, network=replace(answer.network, asked=asked))) == (5.0, 7.0)
    assert placed(replace(answer, network=replace(answer.network, asked={"delay_ms": 7}))) is None


def test_devices_are_counted_by_what_computes(sweep: Sweep) -> None:
    best = best_by_devices(capability(sweep, BUNDLE, "wifi"))
    assert list(best) == [1, 2]
    assert best[1].split.kind in ("stay", "offload") and best[2].split.kind == "split"


def test_telemetry_is_told_trial_by_trial(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(24,), trials=1)
    with Results.open(path) as store:
        cell = next(c for c in store.cells() if c.depth == 1)
    trial = run_trial(cell, 1, 11, Physics(), np.random.default_rng(0))
    # The first is of the moment before, when it had another model.
    told = [{"at_s": t, "process_rss_bytes": 4e6 / t, "temperature_c": None} for t in (1.0, 2.0)]
    with Store.append(path) as writing:
        writing.add_trial(replace(trial, telemetry={"pi": told}))
    sweep = load(path)
    assert [(m.device, m.name, m.value) for m in moments(sweep)] == [("pi", "worker's memory, MB", 2.0)]
    spec = figures_of(sweep)["telemetry"].draw(PAPER)
    assert {p["name"] for p in spec["params"]} == {
        f"only_{f}" for f in ("model", "network", "depth", "codec")
    }
    assert all({"color", "shape"} < set(panel["encoding"]) for panel in spec["vconcat"])


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
        ("mobilenet_v2-networks-latency", {"network"}),
        ("mobilenet_v2-devices", {"network", "depth", "codec"}),
    ],
)
def test_a_figure_of_cells_can_be_clicked_and_narrowed(
    sweep: Sweep, figure: str, narrowed_by: set[str]
) -> None:
    spec = figures_of(sweep, answers(sweep))[figure].draw(PAPER)
    told = json.loads(cells_json(sweep))
    cells = {row["cell"] for row in _rows(spec, "cell")} - {""}
    assert cells and cells <= set(told)
    assert {param["name"].removeprefix("only_") for param in spec.get("params", [])} == narrowed_by


def test_stages_are_shown_at_another_depth_only_once_it_is_chosen(sweep: Sweep) -> None:
    rows = _rows(figures_of(sweep)["mobilenet_v2-wifi-busy"].draw(WIDE), "busy")
    assert {(row["depth"], row["depth_all"]) for row in rows if "cell" in row} == {(1, False), (4, True)}
    rows = _rows(figures_of(sweep)["mobilenet_v2-wifi-busy"].draw(PAPER), "busy")
    assert {row["depth"] for row in rows if "cell" in row} == {4}, "paper has no menus"


def test_a_click_shows_a_stage_in_the_colour_that_the_figure_has_it_in(sweep: Sweep) -> None:
    spec = figures_of(sweep)["mobilenet_v2-wifi-parts"].draw(PAPER)
    scale = next(e["encoding"]["color"]["scale"] for e in spec["layer"] if "color" in e["encoding"])
    drawn = dict(zip(scale["domain"], scale["range"], strict=True))
    offloaded = next(r for r in sweep.of(BUNDLE, "wifi") if r.split.kind == "offload")
    shown = {name: colour for name, _, colour in json.loads(cells_json(sweep))[offloaded.cell.id]["parts"]}
    assert shown["server: compute"] == drawn["server: compute"] != drawn["pi: compute"]


def test_a_dozen_of_anything_differ_in_colour_and_shape() -> None:
    assert len(set(zip(colours(36), shapes(36), strict=True))) == 36
    assert len(set(colours(12))) == 12
    some, all_ = looks(["c"], ["a", "b", "c"]), looks(["a", "c"], ["a", "b", "c"])
    assert some["c"] == all_["c"] != all_["a"], "a device keeps its colour where others are not drawn"


def test_a_click_finds_every_finished_cell_and_its_parts_add_up(sweep: Sweep) -> None:
    told = json.loads(cells_json(sweep))
    assert set(told) == {r.cell.id for r in sweep.cells}
    for r in sweep.cells:
        total = sum(ms for _, ms, _ in told[r.cell.id]["parts"])
        mean = np.average([t.latency_mean_s for t in r.trials], weights=[t.requests for t in r.trials])
        assert total == pytest.approx(mean * 1e3, rel=1e-6)


def test_predictions_beside_the_results_are_shown_with_their_errors(tmp_path: Path) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 24, 60))
    short = [cell for cell in _CELLS if len(cell["cuts"]) == 1]
    long_chains = [cell for cell in _CELLS if cell not in short]
    (tmp_path / FILE).write_text(json.dumps({"cells": short, "long_chains": long_chains}))
    assert find_predictions(results) == tmp_path / FILE
    told = load_predictions(tmp_path / FILE)
    assert {cell.where for cell in told} >= {"cut point 5", "cut points 5, 9 on a, b, c"}
    errors = errors_of(told)
    assert errors.median == pytest.approx(0.1)
    assert errors.noise_p95 == pytest.approx(0.05)
    html = write_report(load(results), tmp_path / "out", ()).page.read_text(encoding="utf-8")
    assert "Predicted against measured" in html
    assert "off by 10 % (median)" in html


def test_predictions_that_a_planned_sweep_went_by_are_held_against_its_own_cells(tmp_path: Path) -> None:
    path = write_sweep(tmp_path / "r.sqlite", cuts=(0, 24, 60))
    before = load(path)
    alone = next(r for r in before.cells if r.cell.depth == 1)
    deep = next(r for r in before.cells if r.cell.depth > 1)
    with Store.append(path) as store:
        rate = deep.throughput.value or 0.0
        store.add_predicted(
            [
                Predicted(alone.cell.id, 1.1 * (alone.latency().value or 0.0)),
                Predicted(deep.cell.id, 0.8 * deep.cell.batch / rate),
            ]
        )
        # What was said first is what it went by.
        store.add_predicted([Predicted(alone.cell.id, 99.0)])
    sweep = load(path)
    latency, interval = predictions_of(sweep)
    assert errors_of([latency]).median == pytest.approx(0.1)
    assert errors_of([interval]).median == pytest.approx(0.2)
    assert (latency.where, latency.network) == (alone.split.where, alone.cell.network)
    html = write_report(sweep, tmp_path / "out", ("svg",)).page.read_text(encoding="utf-8")
    assert "What the search of this sweep was told" in html
    assert "off by 10 % (median) and 10 % (95th percentile)." in html
    assert (tmp_path / "out" / "figures" / "predicted-latency.svg").is_file()


@pytest.mark.parametrize("text", ["no json", "[]", '{"cells": [{"model": "m"}]}'])
def test_a_file_of_predictions_that_is_none(tmp_path: Path, text: str) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60))
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ResultsError, match=r"bench-plan.json has no predicted and measured cells"):
        write_report(load(results), tmp_path / "out", ())
    assert not list((tmp_path).glob("out/*"))


def test_a_file_of_predictions_can_lie_anywhere(tmp_path: Path) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 24, 60))
    named = tmp_path / "elsewhere" / "of-another-day.json"
    named.parent.mkdir()
    named.write_text(json.dumps({"cells": _CELLS, "long_chains": []}))
    told = [
        "report",
        str(results),
        "--out",
        str(tmp_path / "out"),
        "--figures",
        "",
        "--predictions",
        str(named),
    ]
    assert main(told) == 0
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert 'data-chart="bench-predicted-latency"' in html


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"cells": _CELLS}, "is of an older layout (no 'long_chains')"),
        (
            {"cells": [{k: v for k, v in c.items() if k not in ("devices", "cuts")} for c in _CELLS]},
            "is of an older layout (no 'devices', 'cuts', 'long_chains')",
        ),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_file_of_predictions_that_cannot_be_shown_is_named_on_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: dict[str, Any] | None, said: str
) -> None:
    results = write_sweep(tmp_path / "r.sqlite", cuts=(0, 60), trials=1)
    named = tmp_path / "named.json"
    if content:
        named.write_text(json.dumps(content))
    assert main(["report", str(results), "--out", str(tmp_path / "out"), "--predictions", str(named)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {named} {said}") and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_networks_without_a_place_on_the_map_are_named_beneath_it(sweep: Sweep, tmp_path: Path) -> None:
    ideal = next(p for p in sweep.networks if p.name == "wan")
    others = tuple(p for p in sweep.networks if p is not ideal)
    changed = replace(sweep, networks=(*others, replace(ideal, asked={"rate_mbit": None, "delay_ms": 0})))
    html = write_report(changed, tmp_path, ()).page.read_text(encoding="utf-8")
    assert html.count("Not on the map, since no rate or no delay is set: wan.") == 2


def test_the_first_screen_says_the_answer_and_how_sure(sweep: Sweep, tmp_path: Path) -> None:
    html = write_report(sweep, tmp_path, ()).page.read_text(encoding="utf-8")
    first = html[html.index('id="answer"') : html.index('id="answers"')]
    assert 'data-chart="gains"' in first
    assert first.count('class="verdict"') == 3
    assert "the equal split" in first and "% sure" in first
