"""Predictions beside what was measured: those of a planned sweep, and those of a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.__main__ import main
from analysis.data.predictions import FILE, errors_of, find_predictions, load_predictions, predictions_of
from analysis.data.sweep import load
from analysis.errors import ResultsError
from analysis.report import write_report
from controller.results import Predicted, Store
from tests.unit.analysis.synthetic import write_sweep

_CELLS: list[dict[str, Any]] = [
    {"model": "m", "network": network, "devices": ["a", "b", "c"][: len(cuts) + 1], "cuts": cuts}
    | {"depth": depth, "predicted": 1.1, "measured": 1.0, "repeated": 0.95}
    for network in ("lan", "wan")
    for cuts in ([0], [5], [9], [5, 9])
    for depth in (1, 4)
]


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
        store.add(
            Predicted(alone.cell.id, 1.1 * (alone.latency().value or 0.0)),
            Predicted(deep.cell.id, 0.8 * deep.cell.batch / rate),
        )
        # What was said first is what it went by.
        store.add(Predicted(alone.cell.id, 99.0))
    sweep = load(path)
    latency, interval = predictions_of(sweep)
    assert errors_of([latency]).median == pytest.approx(0.1)
    assert errors_of([interval]).median == pytest.approx(0.2)
    assert (latency.where, latency.network) == (alone.split.where, alone.cell.network)
    html = write_report(sweep, tmp_path / "out", ("svg",)).page.read_text(encoding="utf-8")
    assert "predicted before this sweep measured anything" in html
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
        ({"cells": _CELLS}, "has no predicted and measured cells"),
        (
            {"cells": [{k: v for k, v in c.items() if k not in ("devices", "cuts")} for c in _CELLS]},
            "has no predicted and measured cells",
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
