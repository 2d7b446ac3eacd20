"""`python -m benchmarks bench-report` in a real browser, and the results files that it writes."""

import json
from pathlib import Path

import pytest

from analysis.data.sweep import load
from analysis.study import Study
from benchmarks.figures import all_hold, summarize
from benchmarks.pages.browser import browse, program_of
from benchmarks.pages.command import figures_for
from benchmarks.pages.reports import make, prepare, usable_s
from benchmarks.pages.results_files import NETWORKS, write_results
from controller.results import Results
from controller.results.check.records import record_findings
from exporter.bundle import Bundle


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, bundles_folder: Path) -> Path:
    path = tmp_path_factory.mktemp("pages") / "results.sqlite"
    write_results(path, [Bundle.open(bundles_folder / "tiny")], 18, trials=2)
    return path


def test_its_results_file_is_a_finished_sweep_with_all_that_a_report_shows(results: Path) -> None:
    sweep = load(results)
    assert (len(sweep.cells), sweep.finished, sweep.missing) == (18, 36, 0)
    assert sweep.left_out == () and sweep.moments and sweep.boxes
    study = Study.of(sweep)
    assert len(study.groups) == len(NETWORKS)
    assert all(group.answers and group.timeline for group in study.groups)
    with Results.open(results) as store:
        assert store.damage() == ""
        assert list(record_findings(store)) == []


@pytest.mark.skipif(program_of("chromium") is None, reason="no chromium here: apt-get install chromium")
def test_a_report_is_made_measured_and_opened(results: Path, tmp_path: Path) -> None:
    made = make(results, tmp_path)
    assert made.page_bytes == made.page.stat().st_size > 800_000, "the drawing code alone is 0.9 MB"
    assert made.peak_bytes > 50e6 and made.cpu_s > 0
    assert len(json.loads((tmp_path / "answers.json").read_text())) == 2 * len(NETWORKS)
    with browse("chromium") as browser:
        prepare(browser)
        assert 0 < usable_s(browser, made.page) <= 60
        assert browser.complaints == []


def test_what_is_beyond_its_limit_is_told() -> None:
    fine = {"made_s_100": [59.0], "peak_mb_100": [399.0], "page_mb_100": [9.9], "usable_s_100": [2.9]}
    assert all_hold(figures_for([100]), summarize(fine))
    for key, value in (("made_s_100", 61.0), ("page_mb_100", 10.1), ("usable_s_100", 3.1)):
        assert not all_hold(figures_for([100]), summarize(fine | {key: [value]}))
