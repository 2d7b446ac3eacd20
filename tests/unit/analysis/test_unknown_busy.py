"""A stage whose time alone does not fit a trial: its busy share is unknown everywhere, and never 0."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.exports.writing import write_exports
from analysis.figures import PAPER, figures_of
from analysis.report.concerns import concerns
from analysis.report.page import cards
from analysis.study import Study
from analysis.tables.cells import cells_table
from analysis.tables.per_split import split_rows
from tests.results_files import edited
from tests.unit.analysis.figures.specs import rows_with
from tests.unit.analysis.synthetic import Physics, write_sweep


@pytest.fixture(scope="module", name="path")
def fixture_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep in which the time alone of `pi` fits no trial of the cut 24."""
    path = tmp_path_factory.mktemp("unknown") / "r.sqlite"
    write_sweep(path, physics=Physics(networks={"wifi": (20.0, 0.005)}), cuts=(0, 24, 60))
    change_first_hop(path, alone_s=None)
    return path


def change_first_hop(path: Path, **fields: object) -> None:
    """Of the cut 24."""
    with edited(path) as db:
        trials = db.execute(
            "SELECT trial.id, hops FROM trial JOIN cell ON cell.id = cell WHERE cuts = '[24]'"
        )
        for trial, text in trials.fetchall():
            hops = json.loads(text)
            hops[0] |= fields
            db.execute("UPDATE trial SET hops = ? WHERE id = ?", (json.dumps(hops), trial))


@pytest.fixture(scope="module", name="unknown")
def fixture_unknown(path: Path) -> Study:
    return Study.of(load(path))


def test_tables_leave_out_what_is_unknown(unknown: Study) -> None:
    cells = cells_table(unknown)
    for _, row in cells[cells["cuts"] == "24"].iterrows():
        for column in ("busy", "bubble"):
            pi, server = row[column].split(";")
            assert pi == "pi="
            assert float(server.removeprefix("server=")) > 0
        assert row["bottleneck"] == ""
        assert float(row["occupied"].split(";")[0].removeprefix("pi=")) > 0
    (split,) = (row for row in split_rows(unknown) if row["cuts"] == "24")
    assert split["shares"] == ""
    assert [split[name] for name in ("load_balance", "limit_sequential", "limit_one_device")] == [None] * 3


def test_the_figure_has_no_point_and_the_page_says_unknown(unknown: Study) -> None:
    rows = rows_with(figures_of(unknown)["mobilenet_v2-wifi-busy"](PAPER), "split")
    shares = {row["stage"]: row["busy"] for row in rows if row["split"].startswith("features.4")}
    assert shares["pi"] is None
    assert 0 < shares["server"] <= 1.02
    facts = [dict(cell["facts"]) for cell in cards(unknown).values()]
    (cut,) = (told for told in facts if told["cut points"] == "24" and told["depth, batch"] == "4, 1")
    assert cut["busy"].startswith("pi unknown, server ")
    assert cut["bottleneck"] == "unknown"


def test_exports_leave_it_empty(path: Path, tmp_path: Path) -> None:
    write_exports(load(path), tmp_path)
    with (tmp_path / "device_metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["cuts"] == "24"]
    assert {
        (row["compute_alone_s"], row["busy"], row["bubble"]) for row in rows if row["device"] == "pi"
    } == {("", "", "")}
    assert all(float(row["busy"]) > 0 for row in rows if row["device"] == "server")
    with (tmp_path / "pipeline_metrics.csv").open(encoding="utf-8", newline="") as file:
        for row in (row for row in csv.DictReader(file) if row["cuts"] == "24"):
            assert row["busy"].startswith(";0.")
            assert row["stage_limit_images_per_s"].startswith(";")
            assert row["bottleneck"] == ""


def test_the_report_says_why_a_time_alone_is_missing(path: Path, unknown: Study, tmp_path: Path) -> None:
    assert not any("time alone missing" in concern.text for concern in concerns(unknown.sweep))
    lost = tmp_path / "r.sqlite"
    shutil.copy(path, lost)
    why = "pi failed while stage 0-24 was timed: lost; exited"
    change_first_hop(lost, alone_missing=why)
    told = [concern.text for concern in concerns(load(lost)) if "time alone" in concern.text]
    assert told == [f"Busy shares of 6 trials are null, time alone missing: {why}."]
